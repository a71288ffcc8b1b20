"""Windows without padding: the same logits and gradients as padded ones, and little padding in attention."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.classifier.batches import collate
from railmatch.classifier.inputs import Window
from railmatch.classifier.packing import Packing, filled_up, pack, rows_of_like_length
from railmatch.classifier.pooling import MeanPooledBert
from torch import Tensor


def windows(*lengths: int) -> list[Window]:
    """Make windows of some lengths, all of different tokens, the second half of each in the other segment."""
    return [
        Window([2, *range(5 + length, 3 + 2 * length), 3], [0] * (length // 2) + [1] * (length - length // 2))
        for length in lengths
    ]


def network_of(encoder: Path) -> MeanPooledBert:
    return cast(MeanPooledBert, load_backbone(str(encoder))[0]).eval()


@pytest.mark.parametrize("lengths", [[9], [4, 4, 4], [12, 11, 7, 7, 3], [3, 12, 5]], ids=str)
def test_logits_and_gradients_are_those_of_a_padded_batch(tiny_encoder: Path, lengths: Sequence[int]):
    padded = network_of(tiny_encoder)
    packed = copy.deepcopy(padded)
    batch = windows(*lengths)
    expected = padded(**collate(batch, pad=0))
    found = packed(**pack(batch))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)

    slopes = torch.arange(1.0, 2 * len(lengths) + 1).view(-1, 2)
    (slopes * expected).sum().backward()
    (slopes * found).sum().backward()
    for (name, ours), theirs in zip(packed.named_parameters(), padded.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5, msg=name)


def test_a_window_does_not_see_its_neighbours(tiny_encoder: Path):
    network = network_of(tiny_encoder)
    first, second, third = windows(9, 8, 5)
    alone = network(**pack([second]))
    among = network(**pack([first, second, third]))[1:2]
    torch.testing.assert_close(among, alone, rtol=1e-5, atol=1e-6)


def test_dropout_falls_on_attention_as_well(tiny_encoder: Path):
    network = network_of(tiny_encoder)
    attention = network.bert.encoder.layer[0].attention.self
    attention.dropout.p = 0.5
    attention.train()
    logits: list[Tensor] = [network(**pack(windows(9, 8))) for _ in range(2)]
    assert not torch.equal(*logits)


def test_positions_begin_anew_in_each_window_and_means_are_of_each_alone():
    packing = Packing(torch.tensor([3, 1, 2]))
    assert packing.positions().tolist() == [0, 1, 2, 0, 0, 1]
    row = torch.tensor([[1.0], [2.0], [6.0], [5.0], [2.0], [4.0]])
    assert packing.mean(row).tolist() == [[3.0], [5.0], [3.0]]
    assert packing.starts.tolist() == [0, 3, 4]


def test_rows_hold_as_many_tokens_as_they_may_longest_first():
    # 9 + 4 > 12; 4 + 4 + 3 = 11; the window of 20 goes alone
    assert list(rows_of_like_length([4, 20, 3, 9, 4], 12)) == [[1], [3], [0, 4, 2]]
    assert list(rows_of_like_length([], 12)) == []


def test_a_row_is_filled_up_to_a_length_that_comes_again():
    lengths, inputs = filled_up(torch.tensor([60, 10]), {"inputs_embeds": torch.ones(70, 3)})
    assert lengths.tolist() == [60, 10, 58]  # 128 together
    assert inputs["inputs_embeds"].shape == (128, 3)
    assert inputs["inputs_embeds"].sum() == 210
    lengths, inputs = filled_up(torch.tensor([60, 4]), {"input_ids": torch.arange(64)})
    assert lengths.tolist() == [60, 4]
    assert inputs["input_ids"].tolist() == list(range(64))


def test_the_window_of_nothing_leaves_the_others_in_their_groups():
    lengths, _ = filled_up(torch.tensor([9, 9, 8, 8]), {})  # 34 tokens, and 30 of nothing behind them
    assert lengths.tolist() == [9, 9, 8, 8, 30]
    assert [group.windows for group in Packing(lengths)._groups] == [5]  # 86 tokens of padding are not worth a pass
