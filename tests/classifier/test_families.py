"""What differs between families: positions that RoBERTa keeps for itself, and segments."""

from types import SimpleNamespace

import pytest
import torch
from railmatch.classifier.families import longest_input, run_network
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from torch import nn


@pytest.mark.parametrize(
    ("family", "longest"), [("bert", 512), ("roberta", 512), ("deberta", 512), ("modernbert", 1024)]
)
def test_the_longest_input_of_a_family_is_judged(encoders, family, longest):
    classifier = SafetyClassifier.from_encoder(str(encoders[family]), "prompt", window=100_000)
    assert classifier.settings.window == longest
    (windows,) = classifier.encode([Exchange("bread " * 2 * longest)], full=True)
    assert len(windows[0]) == longest
    assert len(classifier.score_windows(windows[:1])) == 1  # one position more would be an IndexError


def test_a_tokenizer_that_takes_less_counts(encoders):
    classifier = SafetyClassifier.from_encoder(str(encoders["bert"]), "prompt", window=512)
    classifier.tokenizer.model_max_length = 100
    assert longest_input(classifier.network, classifier.tokenizer) == 100
    classifier.tokenizer.model_max_length = int(1e30)
    assert longest_input(classifier.network, classifier.tokenizer) == 512


class Segments(nn.Module):
    """Gives the segments it was given as its logits."""

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(type_vocab_size=kinds)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> SimpleNamespace:
        return SimpleNamespace(logits=input_ids if token_type_ids is None else token_type_ids)


def test_segments_go_only_to_families_that_have_them():
    batch = {"input_ids": torch.tensor([[7]]), "token_type_ids": torch.tensor([[1]])}
    assert [run_network(Segments(kinds), batch).item() for kinds in (0, 1, 2)] == [7, 7, 1]
    assert batch.keys() == {"input_ids", "token_type_ids"}


def test_a_distributed_wrapper_is_looked_through():
    wrapper = nn.DataParallel(Segments(2))
    assert run_network(wrapper, {"input_ids": torch.tensor([[7]]), "token_type_ids": torch.tensor([[1]])}).item() == 1
