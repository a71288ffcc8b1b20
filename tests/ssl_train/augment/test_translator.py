"""Translation models: loaded from a folder and by a Hub id, exact on tiny models set by hand, or refused."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from railmatch.classifier.errors import ModelError
from railmatch.ssl_train.augment.translator import Translator
from transformers import MarianMTModel
from translators import write_translator

DICTIONARY = {"please": "bitte", "bake": "back", "steal": "stiehl", "a": "ein", "the": "den", "cake": "kuchen"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_translator(tmp_path_factory.mktemp("translator") / "en-de", DICTIONARY)


def load(name: object) -> Translator:
    return Translator.load(str(name), "forward", torch.device("cpu"))


def refusal(name: object) -> str:
    with pytest.raises(ModelError) as refused:
        load(name)
    return str(refused.value)


def test_sentences_of_all_lengths_are_translated_each_by_itself(folder: Path):
    words, translated = list(DICTIONARY), list(DICTIONARY.values())
    sentences = [" ".join(words[start:end]) for start in range(6) for end in range(start + 1, 7)] * 2
    expected = [" ".join(translated[start:end]) for start in range(6) for end in range(start + 1, 7)] * 2
    assert len(sentences) == 42  # more than a batch
    assert load(folder)(sentences) == expected


def test_a_sentence_longer_than_the_model_reads_is_not_translated(folder: Path):
    """Of 32 positions the end takes one."""
    longest = " ".join(["cake"] * 31)
    assert load(folder)([f"{longest} cake", "cake"]) == [None, "kuchen"]


def test_a_translation_without_end_is_none(tmp_path: Path):
    translator = load(write_translator(tmp_path / "endless", DICTIONARY, endless=True))
    assert translator(["bake a cake"]) == [None]


def test_words_that_spell_special_tokens_do_not_end_the_sentence(folder: Path):
    assert load(folder)(["bake </s> a cake"]) == load(folder)(["bake unknown a cake"]) == ["back ein kuchen"]


def test_nothing_to_translate(folder: Path):
    assert load(folder)([]) == []


def test_a_model_is_loaded_by_its_hub_id(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The cache of the Hub's client is laid out as that client does it."""
    model = tmp_path / "models--owner--opus-mt-en-de"
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text("0" * 40)
    shutil.copytree(folder, model / "snapshots" / ("0" * 40))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert load("owner/opus-mt-en-de")(["steal the cake"]) == ["stiehl den kuchen"]


def test_a_hub_id_without_the_hub():
    assert refusal("Helsinki-NLP/opus-mt-en-xx") == (
        "augment.backtranslation.forward: 'Helsinki-NLP/opus-mt-en-xx' is not on this machine, and the Hugging Face "
        "Hub cannot be reached: check the name and the connection (HF_HUB_OFFLINE must not be 1), or give a folder "
        "with a MarianMT model"
    )


def test_a_folder_that_is_not_there(tmp_path: Path):
    missing = tmp_path / "nothing"
    assert refusal(missing) == (
        f"augment.backtranslation.forward: '{missing}' is not a folder; give a folder or a Hub id (owner/name)"
    )


def test_a_model_of_another_kind(tiny_encoder: Path):
    assert refusal(tiny_encoder) == (
        f"augment.backtranslation.forward: '{tiny_encoder}' is a model of type bert; back-translation needs MarianMT "
        "models (type marian), such as Helsinki-NLP/opus-mt-en-de"
    )


def test_weights_that_are_not_whole(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "part")
    model = MarianMTModel.from_pretrained(folder)
    weights = {name: values for name, values in model.state_dict().items() if "encoder_attn" not in name}
    model.save_pretrained(tmp_path / "part", state_dict=weights)
    assert refusal(tmp_path / "part").startswith(
        f"augment.backtranslation.forward: the weights of '{tmp_path / 'part'}' are not whole (model.decoder.layers.0."
    )


def test_files_that_are_damaged(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "damaged")
    (tmp_path / "damaged/vocab.json").write_text(json.dumps({"</s>": 0}))
    told = refusal(tmp_path / "damaged")
    assert told.startswith(f"augment.backtranslation.forward: '{tmp_path / 'damaged'}' cannot be loaded: ")
    assert told.endswith(" (give a folder or a Hub id of a MarianMT model)")


def test_without_sentencepiece_the_cure_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    assert refusal(folder) == (
        "the strategy backtranslation needs the package sentencepiece: pip install 'railmatch[backtranslation]'"
    )
