"""Embeddings of the embedded encoder: unit length, near for like meanings, and each text embedded once."""

from typing import Any

import numpy as np
import pytest
import torch
from railmatch.ssl_train import embedding
from railmatch.ssl_train.embedding import Remembered, embed


def test_unit_rows_that_are_near_for_like_meanings_whatever_stands_beside_them():
    vectors = embed(["How do I open a bank account?", "What must I do to get a bank account?", "My cat is ill."])
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > 0.7 > 0.3 > cosines[0, 2]
    assert np.allclose(embed(["My cat is ill."])[0], vectors[2], atol=1e-5)  # padding does not count
    assert embed([]).shape == (0, 384)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch):
    texts = [f"text {'of some words ' * number}" for number in range(7)]
    expected, fitting, sizes = embed(texts), embedding._means, []

    def means(network: Any, tokenizer: Any, some: list[str]) -> np.ndarray:
        sizes.append(len(some))
        if len(some) > 3:
            raise torch.OutOfMemoryError("planted")
        return fitting(network, tokenizer, some)

    monkeypatch.setattr(embedding, "_means", means)
    monkeypatch.setattr(embedding._encoder("auto")[2], "size", 8)
    assert np.allclose(embed(texts), expected, atol=1e-5)
    assert sizes == [7, 4, 2, 2, 2, 1]


def test_a_text_is_embedded_once(monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []

    def counting(texts: list[str], device: str) -> np.ndarray:
        assert device == "cpu"
        seen.extend(texts)
        return np.array([[float(len(text))] for text in texts]).reshape(len(texts), 1)

    monkeypatch.setattr(embedding, "embed", counting)
    remembered = Remembered("cpu")
    assert remembered(["a", "bb", "a"]).tolist() == [[1.0], [2.0], [1.0]]
    assert remembered(["bb", "ccc"]).tolist() == [[2.0], [3.0]]
    assert remembered([]).shape == (0, 1)
    assert seen == ["a", "bb", "ccc"]
