"""Model folders: what is not ours or damaged is refused in words, and saving never leaves half a folder."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from disk import full_disk
from railmatch import __version__
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification


@pytest.fixture
def folder(trigger_models: Path, tmp_path: Path) -> Path:
    """A copy of a good model, to be damaged."""
    return Path(shutil.copytree(trigger_models / "prompt", tmp_path / "prompt"))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        SafetyClassifier.load(folder, device="cpu")
    return str(refused.value)


def change_settings(folder: Path, **changes: object) -> None:
    file = folder / "railmatch.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes), encoding="utf-8")


def test_a_folder_holds_an_ordinary_checkpoint_and_our_settings(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "railmatch.json", "tokenizer.json", "tokenizer_config.json"}
    settings = json.loads((folder / "railmatch.json").read_text(encoding="utf-8"))
    assert settings.pop("created").endswith("+00:00")
    assert settings == {
        "format": 1,
        "task": "prompt",
        "window": 512,
        "pooling": "mean",
        "threshold": 0.5,
        "calibration": None,
        "training": None,
        "railmatch": __version__,
    }


def test_a_missing_folder(tmp_path):
    assert refusal(tmp_path / "no") == (
        f"{tmp_path}/no is not a folder; train a model first: railmatch train RECIPE --out {tmp_path}/no"
    )


def test_a_folder_that_is_not_ours(tiny_encoder):
    assert refusal(tiny_encoder) == (
        f"{tiny_encoder} is not a RailMatch model: it holds no railmatch.json; train one: "
        f"railmatch train RECIPE --out {tiny_encoder}"
    )


def test_a_head_that_was_never_trained(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"], weights["classifier.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert refusal(folder) == (
        f"{folder}: weights are missing (classifier.bias, classifier.weight): the model was never trained; train it: "
        f"railmatch train RECIPE --out {folder}"
    )


@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_weights_that_were_cut_off(folder, kept):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    message = refusal(folder)
    assert message.startswith(f"{folder} cannot be loaded: Error while deserializing header: ")
    assert message.endswith("; train the model again")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    message = refusal(folder)
    assert message.startswith(f"{folder} cannot be loaded: ")
    assert message.endswith("; train the model again")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_file(folder, name):
    (folder / name).write_text('{"half": ', encoding="utf-8")
    message = refusal(folder)
    assert message.startswith(f"{folder} cannot be loaded: ")
    assert message.endswith("; train the model again")


def test_a_network_of_other_classes(folder):
    config = AutoConfig.from_pretrained(folder)
    config.id2label = {number: str(number) for number in range(3)}
    BertForSequenceClassification(config).save_pretrained(folder)
    assert refusal(folder) == f"{folder}: the model has 3 classes, not unharmful and harmful; train it again"


def test_a_window_longer_than_the_network_takes(folder):
    change_settings(folder, window=513)
    assert refusal(folder) == (
        f"{folder}/railmatch.json: window is 513 tokens, but the model takes at most 512; train it again"
    )


def test_a_window_without_room_for_text(folder):
    change_settings(folder, window=3)
    with pytest.raises(SettingsError, match="a window of 3 tokens leaves 1 for text"):
        SafetyClassifier.load(folder, device="cpu")


def test_a_model_trained_further_by_another_tool(folder):
    network = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        network.bert.pooler.dense.bias.add_(0.1)
    network.save_pretrained(folder)
    assert "set pooling to 'native' in railmatch.json" in refusal(folder)
    change_settings(folder, pooling="native")
    assert SafetyClassifier.load(folder, device="cpu").predict_proba([Exchange("weapon")]).shape == (1,)


def test_code_in_a_model_folder_is_never_run(folder, tmp_path):
    proof = tmp_path / "it ran"
    (folder / "own.py").write_text(f"open({str(proof)!r}, 'w').close()\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": dict.fromkeys(("AutoConfig", "AutoModelForSequenceClassification"), "own.Own"),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert refusal(folder).startswith(f"{folder} cannot be loaded: ")
    assert not proof.exists()


def test_pickled_weights_are_not_read(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert refusal(folder).startswith(f"{folder} cannot be loaded: ")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("size", [100, 4_000])
def test_a_full_disk_leaves_the_older_folder_and_nothing_else(folder, size):
    classifier = SafetyClassifier.load(folder, device="cpu")
    before = contents(folder)
    assert len(before["tokenizer.json"]) > 4_000 > len(before["config.json"]) > 100
    with full_disk(size), pytest.raises(OSError):
        classifier.save(folder)
    assert contents(folder) == before
    assert os.listdir(folder.parent) == [folder.name]


def test_a_full_disk_is_said_where_only_the_weights_do_not_fit(folder):
    classifier = SafetyClassifier.load(folder, device="cpu")
    before = contents(folder)
    with full_disk(20_000), pytest.raises(OSError, match="File too large"):
        classifier.save(folder)
    assert contents(folder) == before


def test_an_older_folder_is_replaced_as_a_whole(folder):
    classifier = SafetyClassifier.load(folder, device="cpu")
    (folder / "model-00002-of-00002.safetensors").write_text("left over", encoding="utf-8")
    classifier.save(folder)
    assert "model-00002-of-00002.safetensors" not in contents(folder)
    assert SafetyClassifier.load(folder, device="cpu").predict_proba([Exchange("weapon")])[0] > 0.999


def test_a_saved_model_saves_the_same_again(folder, tmp_path):
    SafetyClassifier.load(folder, device="cpu").save(tmp_path / "again")
    first, second = contents(folder), contents(tmp_path / "again")
    assert first.keys() == second.keys()
    assert all(first[name] == second[name] for name in first if name != "railmatch.json")
