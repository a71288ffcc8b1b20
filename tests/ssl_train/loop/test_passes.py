"""Forward passes: in which precision, and how many windows at a time."""

from pathlib import Path

import pytest
import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.classifier.inputs import Window
from railmatch.ssl_train.loop import passes as passes
from railmatch.ssl_train.loop.passes import Passes, use_bf16

CPU = torch.device("cpu")


def windows(*lengths: int) -> list[Window]:
    return [Window([2, *[7 + length] * (length - 2), 3], [0] * length) for length in lengths]


def runner(heads: int = 1, *, bf16: bool = False) -> Passes:
    return Passes(CPU, pad=0, heads=heads, bf16=bf16)


@pytest.mark.parametrize("heads", [1, 3])
def test_logits_have_heads_and_classes(tiny_encoder: Path, heads: int):
    network, _ = load_backbone(str(tiny_encoder), heads=heads)
    logits = runner(heads).judge(network, windows(5, 9))
    assert logits.shape == (2, heads, 2)


def test_logits_are_float32_in_either_precision(tiny_encoder: Path):
    network, _ = load_backbone(str(tiny_encoder))
    exact = runner().judge(network, windows(5, 9))
    rounded = runner(bf16=True).judge(network, windows(5, 9))
    assert exact.dtype == rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, rtol=0, atol=0.02)


def test_judging_leaves_no_graph(tiny_encoder: Path):
    network, _ = load_backbone(str(tiny_encoder))
    assert not runner().judge(network.train(), windows(5, 9)).requires_grad


def test_no_pass_has_more_tokens_than_it_may(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passes, "CPU_BATCH_TOKENS", 24)
    found = list(runner().batches(windows(12, 11, 10, 5, 4, 3)))
    assert found == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("fp32", False)])
def test_a_precision_that_was_asked_for_is_taken(precision: str, expected: bool):
    assert use_bf16(precision, CPU) is expected


@pytest.mark.parametrize(
    ("capabilities", "expected"), [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({}, False)]
)
def test_on_a_cpu_the_hardware_decides(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert use_bf16("auto", CPU) is expected
