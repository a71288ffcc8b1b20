"""A causal language model as a generator: asked, sampled, measured; what cannot write is refused with the cure."""

import json
import math
from pathlib import Path

import pytest
import torch
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Seed
from railmatch.ssl_train.adversarial.fluency import lowest_mean
from railmatch.ssl_train.adversarial.generators.best_of_n import BestOfN
from railmatch.ssl_train.adversarial.generators.causal import CausalWriter, load_tokenizer, prompt_of
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.recipe import GeneratorSettings
from railmatch.ssl_train.memory import Batch
from small_attacks import learn_by_heart, tiny_llama, tiny_tokenizer, write_instructions

SEEDS = [Seed("a", Exchange("steal the car"), 1), Seed("b", Exchange("buy the car"), 0)]
ANSWERS = {"a": ["take the car away", "make the car mine"], "b": ["pay for the car", "get the car today"]}
MESSAGES = [{"role": "system", "content": "rules"}, {"role": "user", "content": "say it"}]


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> Instructions:
    return Instructions("prompt", write_instructions(tmp_path_factory.mktemp("instructions")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, instructions: Instructions) -> Path:
    prompts = {prompt_of(instructions.messages(seed), None, "plain"): ANSWERS[seed.id] for seed in SEEDS}  # type: ignore[arg-type]  # plain text needs no tokenizer
    return learn_by_heart(tmp_path_factory.mktemp("model"), prompts, seed=0)


def writer(model: Path, batch: Batch | None = None) -> CausalWriter:
    return CausalWriter.load(str(model), "plain", device="cpu", batch=batch or Batch(4, "texts"))


def propose(
    written: CausalWriter, instructions: Instructions, chance: int, counted: list[int]
) -> list[tuple[str, str]]:
    settings = GeneratorSettings(name="best_of_n", model="tiny", max_tokens=8)
    found = BestOfN(written, instructions, settings).propose(SEEDS, 6, round_seed=chance, advance=counted.append)
    return [(each.seed.id, each.text) for each in found]


def test_it_writes_as_many_texts_a_seed_as_asked(model: Path, instructions: Instructions):
    counted: list[int] = []
    found = propose(writer(model), instructions, 1, counted)
    assert [seed for seed, _ in found] == ["a"] * 6 + ["b"] * 6
    assert {text for seed, text in found if seed == "a"} <= set(ANSWERS["a"])
    assert {text for seed, text in found if seed == "b"} <= set(ANSWERS["b"])
    assert sum(counted) == 12
    assert propose(writer(model), instructions, 1, []) == found
    assert propose(writer(model), instructions, 2, []) != found


def test_a_text_names_who_wrote_it(model: Path, instructions: Instructions):
    settings = GeneratorSettings(name="best_of_n", model="tiny", max_tokens=8)
    (first, *_) = BestOfN(writer(model), instructions, settings).propose(
        SEEDS, 1, round_seed=0, advance=lambda count: None
    )
    assert (first.author.generator, first.author.model) == ("best_of_n", "tiny")
    assert first.author.template == instructions.version(SEEDS[0])
    assert first.author.template.startswith("attack/harmful@")


def test_out_of_memory_the_batch_is_halved_and_writing_goes_on(model: Path, instructions: Instructions):
    said: list[str] = []
    written = writer(model, Batch(8, "texts", said.append))
    forward = written.network.forward

    def small_card(*args, **inputs):
        if inputs["input_ids"].shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(*args, **inputs)

    written.network.forward = small_card  # a card with memory for two texts
    assert len(propose(written, instructions, 1, [])) == 12
    assert said == [f"out of GPU memory: going on with batches of {size} texts" for size in (4, 2)]


def test_a_prompt_that_leaves_no_room_gets_an_empty_answer(model: Path):
    long = " ".join(["car"] * 90)  # the model takes 96 tokens, and 8 are to be written
    found = list(writer(model).write([long, "car"], temperature=1.0, top_p=1.0, max_tokens=8, seed=0))
    assert found[0] == "" and len(found) == 2


def test_fluency_is_the_mean_of_the_lowest_log_probabilities(model: Path):
    written = writer(model)
    text = "take the car away"
    ids = torch.tensor([[2, *written.tokenizer(text)["input_ids"]]])  # 2 is the end-of-text token, as the first one
    with torch.no_grad():
        logs = written.network(ids).logits.log_softmax(dim=-1)
    by_hand = [float(logs[0, at, ids[0, at + 1]]) for at in range(4)]
    alone, padded, empty = written.fluency([text, text + " " + text, ""])[[0, 1, 2]]
    assert alone == pytest.approx(lowest_mean(by_hand), abs=1e-4)
    assert padded < alone
    assert empty == -math.inf


def test_a_system_message_becomes_part_of_the_question_where_a_model_knows_none():
    tokenizer = tiny_tokenizer(["a"])
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "<{{ m.role }}>{{ m.content }}{% endfor %}"
    )
    assert prompt_of(MESSAGES, tokenizer, "chat") == "<user>rules\n\nsay it"
    assert prompt_of(MESSAGES[1:], tokenizer, "chat") == "<user>say it"
    assert prompt_of(MESSAGES, tokenizer, "plain") == "rules\n\nsay it\n"


def saved(folder: Path, **special: str) -> Path:
    tokenizer = tiny_tokenizer(["steal the car"], **special)
    tokenizer.save_pretrained(folder)
    tiny_llama(len(tokenizer), 0).save_pretrained(folder)
    return folder


def test_a_model_without_chat_template_is_refused_unless_asked_in_plain_text(tmp_path: Path):
    with pytest.raises(ModelError) as error:
        load_tokenizer(str(saved(tmp_path)), "chat")
    assert str(error.value) == (
        f"generator.model {str(tmp_path)!r} has no chat template, so it was probably not trained to follow "
        "instructions: name an instruction-tuned model, or set generator.template to plain, which asks in plain text"
    )
    assert load_tokenizer(str(tmp_path), "plain").padding_side == "left"


def test_a_model_without_end_of_text_token_is_refused(tmp_path: Path):
    with pytest.raises(ModelError) as error:
        load_tokenizer(str(saved(tmp_path, eos_token="", pad_token="")), "plain")
    assert str(error.value) == (
        f"generator.model {str(tmp_path)!r}: its tokenizer names no end-of-text token, so none of its texts would end, "
        "and nothing to pad with; set eos_token (and pad_token) in its tokenizer_config.json"
    )


def test_a_model_without_padding_token_pads_with_its_end(tmp_path: Path):
    assert load_tokenizer(str(saved(tmp_path, pad_token="")), "plain").pad_token == "<eos>"


def test_a_folder_that_is_no_language_model_is_refused(tiny_encoder: Path, tmp_path: Path):
    with pytest.raises(
        ModelError, match=r"^generator\.model '.*none' cannot be loaded: .*of a causal language model\)$"
    ):
        load_tokenizer(str(tmp_path / "none"), "plain")
    config = json.loads((saved(tmp_path / "whole") / "config.json").read_text())
    (tmp_path / "whole" / "model.safetensors").write_bytes(b"\0" * 64)
    assert config["model_type"] == "llama"
    with pytest.raises(ModelError, match="cannot be loaded"):
        writer(tmp_path / "whole")
