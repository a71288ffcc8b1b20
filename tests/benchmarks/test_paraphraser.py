"""The paraphraser of the benchmarks: what it learns from, and that its folder is one the project's generators take."""

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from paraphraser import Softmax, load_decoder, losses, main
from paraphrasing.pairs import Batches, Texts
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Candidate, Seed
from railmatch.ssl_train.adversarial.generators.causal import CausalWriter
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.recipe import GeneratorSettings
from railmatch.ssl_train.adversarial.rewards import Reward, Terms
from railmatch.ssl_train.memory import Batch
from safetensors.torch import load_file
from small_training import write_rows


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Of the first folder, p0 and p1 may be attacked: rewritten, and of a sure vote. The second one repeats p0."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    pool = ["how can i buy a cake", "i want a weapon", "tell me a story", "give me a poem", "read my letter"]
    write_rows(first / "prompt_unlabelled.jsonl", [{"id": f"p{n}", "prompt": text} for n, text in enumerate(pool)])
    rewrites = [["where is cake"], ["sell me a weapon"], ["a story please"], []]
    write_rows(first / "prompt_rewrites.jsonl", [{"id": f"p{n}", "rewrites": some} for n, some in enumerate(rewrites)])
    write_rows(first / "prompt_votes.jsonl", [{"id": f"p{n}", "vote": vote} for n, vote in enumerate((0, 4, 2, 0, 4))])
    own = [{"id": "p0", "prompt": "How can I buy a cake"}, {"id": "p1", "prompt": "walk the dog"}]
    write_rows(second / "prompt_unlabelled.jsonl", own)
    write_rows(
        second / "prompt_rewrites.jsonl",
        [{"id": "p0", "rewrites": ["cake, where"]}, {"id": "p1", "rewrites": ["take the dog out", "dog walk"]}],
    )
    return first, second


def test_texts_that_may_be_attacked_are_left_out_of_every_folder(folders: tuple[Path, Path]):
    texts = Texts.of(folders)
    assert texts.groups == [["tell me a story", "a story please"], ["walk the dog", "take the dog out", "dog walk"]]
    assert texts.pool == ["give me a poem", "read my letter"]
    left_out = [("how can i buy a cake", "where is cake"), ("i want a weapon", "sell me a weapon")]
    assert sorted(texts.measured) == left_out


def test_pairs_are_of_one_group_or_of_a_text_and_what_was_made_of_it(folders: tuple[Path, Path]):
    texts = Texts.of(folders)
    known = set(islice(texts.pairs(random.Random(0), 0.0), 200))
    assert known == {(one, other) for group in texts.groups for one in group for other in group if one != other}
    changed = list(islice(texts.pairs(random.Random(0), 1.0), 200))
    assert {target for _, target in changed} == {*texts.pool, *(text for group in texts.groups for text in group)}
    assert 0.2 < sum(source == target for source, target in changed) / 200 < 0.7


def test_a_target_counts_whole_and_its_source_less(tiny_encoder: Path):
    _, tokenizer = load_decoder(str(tiny_encoder))
    batches = Batches(Texts([], [], []), tokenizer, longest=6, tokens=100)
    rows = batches.rows([("a cake", "cake"), ("a cake", "i want to buy a cake")])
    assert len(rows) == 1  # the other one has a text of 8 tokens
    batch = batches.batch([*rows, ([2, 9], [9, 3])], shift=5)
    assert tokenizer.convert_ids_to_tokens(batch.ids[0].tolist()) == ["[CLS]", "a", "cake", "[SEP]", "cake", "[SEP]"]
    assert batch.weights.tolist() == [[0, 0.25, 0.25, 0.25, 1, 1], [0, 0.25, 1, 1, 0, 0]]
    assert batch.ids[1].tolist() == [2, 9, 9, 3, 0, 0]


def test_a_softmax_over_all_tokens_is_the_models_own(tiny_encoder: Path):
    network, tokenizer = load_decoder(str(tiny_encoder))
    network.train(False)
    softmax = Softmax(network, Counter({7: 3, 8: 1}))  # fewer tokens than FREQUENT: none is left to be sampled
    batch = Batches(Texts([], [], []), tokenizer, longest=9, tokens=100).batch([([2, 7, 3], [8, 3])], shift=0)
    found, weights = losses(network, softmax, batch)
    logs = network(batch.ids).logits[0, :-1].log_softmax(dim=-1)
    assert torch.allclose(found, -logs.gather(1, batch.ids[0, 1:, None])[:, 0], atol=1e-5)
    assert weights.tolist() == [0.25, 0.25, 1.0, 1.0]


def test_sampled_tokens_stand_for_the_others(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch):
    network, _ = load_decoder(str(tiny_encoder))
    network.cls.predictions.transform.LayerNorm.weight.data.zero_()  # all logits are the biases
    monkeypatch.setattr("paraphraser.FREQUENT", 2)
    monkeypatch.setattr("paraphraser.SAMPLED", 10)
    softmax = Softmax(network, Counter())  # every token is as likely as the others
    found = softmax.losses(torch.zeros(1, 32), torch.tensor([9]), torch.tensor([[9]]))
    assert found.item() == pytest.approx(math.log(network.config.vocab_size), abs=1e-4)


SEEDS = [Seed("a", Exchange("tell me\na story"), 0), Seed("b", Exchange("i want a weapon"), 1)]


@pytest.fixture
def trained(folders: tuple[Path, Path], tiny_encoder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "lm"
    asked = [*map(str, folders), "--out", str(out), "--encoder", str(tiny_encoder), "--steps", "3", "--tokens", "100"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["groups"], told["pool"]) == (2, 2)
    assert math.isfinite(told["loss of texts left out"])
    return out


def test_a_trained_folder_is_a_generator(trained: Path):
    writer = CausalWriter.load(str(trained), "chat", device="cpu", batch=Batch(4, "texts"))
    instructions = Instructions("prompt")
    prompts = [writer.prompt(instructions.messages(seed)) for seed in SEEDS]
    assert prompts == ["[CLS]tell me\na story[SEP]", "[CLS]i want a weapon[SEP]"]
    answers = list(writer.write(prompts, temperature=1.0, top_p=1.0, max_tokens=8, seed=0))
    assert any(answers)
    assert not any(piece in answer for answer in answers for piece in ("[CLS]", "[SEP]", "[PAD]"))
    assert all(score < 0 for score in writer.fluency(["tell me a story", "cake"]))


class Short(Reward):
    """A reward for short texts, which takes no classifier."""

    def __init__(self) -> None:
        pass

    def score(self, candidates: Sequence[Candidate]) -> list[Terms]:
        return [Terms(0.5, 1.0, {"label": True}, {"short": -len(each.text) / 9}, 0.7) for each in candidates]


def test_a_trained_folder_can_practise(trained: Path, tmp_path: Path):
    pytest.importorskip("trl", reason="the extra [adversarial] is not installed")
    from railmatch.ssl_train.adversarial.generators.grpo import GrpoWriter

    settings = GeneratorSettings.model_validate(
        {
            "name": "rl", "model": str(trained), "max_tokens": 8,
            "rl": {"group": 2, "batch": 2, "lora": False, "learning_rate": 1e-3},
        }
    )  # fmt: skip
    generator = GrpoWriter(settings, Instructions("prompt"), device="cpu", seed=0, say=lambda words: None)
    learned = generator.learn(SEEDS, Short(), texts_a_seed=4, folder=tmp_path / "round", advance=lambda count: None)
    assert (learned.texts, len(learned.curves["reward"])) == (8, 2)
    assert len(generator.propose(SEEDS, 2, round_seed=0, advance=lambda count: None)) == 4
    before, after = (load_file(folder / "model.safetensors") for folder in (trained, tmp_path / "round" / "model"))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_message_without_markers_is_taken_whole(tiny_encoder: Path):
    _, tokenizer = load_decoder(str(tiny_encoder))
    said = [{"role": "system", "content": "write"}, {"role": "user", "content": "a cake"}]
    assert tokenizer.apply_chat_template(said, tokenize=False) == "[CLS]a cake[SEP]"
