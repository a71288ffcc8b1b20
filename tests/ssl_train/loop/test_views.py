"""Views: token windows of labelled texts, pool texts and their rewrites."""

from pathlib import Path

import pytest
from railmatch.classifier.inputs import Exchange, Window, WindowEncoder
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.loop.views import Views
from transformers import AutoTokenizer


@pytest.fixture
def encode(tiny_encoder: Path) -> WindowEncoder:
    return WindowEncoder(AutoTokenizer.from_pretrained(tiny_encoder), "prompt", 16)


def window(encode: WindowEncoder, text: str) -> Window:
    return encode([Exchange(text)])[0][0]


def test_labelled_texts_and_their_labels(encode: WindowEncoder):
    views = Views.of(encode, [Record("a", Exchange("sell a car"), 0), Record("b", Exchange("steal a car"), 1)])
    assert views.labelled == [window(encode, "sell a car"), window(encode, "steal a car")]
    assert views.labels.tolist() == [0, 1]
    assert (views.weak, views.strong, views.shortened) == ([], [], 0)


def test_rewrites_belong_to_their_text(encode: WindowEncoder):
    pool = [Record("x", Exchange("call me")), Record("y", Exchange("visit me")), Record("z", Exchange("send tea"))]
    rewrites = {"x": [Exchange("phone me"), Exchange("call us")], "z": [Exchange("send me tea")]}
    views = Views.of(encode, [], pool, rewrites)
    assert views.weak == [window(encode, text) for text in ("call me", "visit me", "send tea")]
    assert views.strong == [
        [window(encode, "phone me"), window(encode, "call us")],
        [],
        [window(encode, "send me tea")],
    ]


def test_labels_of_the_pool_are_not_looked_at(encode: WindowEncoder):
    with_label = Views.of(encode, [], [Record("x", Exchange("call me"), 1)])
    without = Views.of(encode, [], [Record("x", Exchange("call me"))])
    assert with_label.labels.tolist() == without.labels.tolist() == []
    assert with_label.weak == without.weak


def test_an_id_that_a_labelled_text_shares_changes_no_rewrites(encode: WindowEncoder):
    views = Views.of(
        encode,
        [Record("1", Exchange("sell a car"), 0)],
        [Record("1", Exchange("call me"))],
        {"1": [Exchange("phone me")]},
    )
    assert views.strong == [[window(encode, "phone me")]]
    assert views.labelled == [window(encode, "sell a car")]


def test_longer_texts_are_seen_to_the_end_of_their_first_window_and_counted(encode: WindowEncoder):
    long = " ".join(["call me and visit me"] * 5)  # 25 tokens where 14 fit
    views = Views.of(
        encode, [Record("a", Exchange(long), 1)], [Record("x", Exchange(long)), Record("y", Exchange("hi"))]
    )
    assert len(views.labelled[0]) == len(views.weak[0]) == 16
    assert views.shortened == 2


def test_a_part_of_the_labelled_texts_keeps_the_whole_pool(encode: WindowEncoder):
    labelled = [Record("a", Exchange("sell a car"), 0), Record("b", Exchange("call me"), 1)]
    views = Views.of(encode, labelled, [Record("x", Exchange("hi"))], {"x": [Exchange("hello")]})
    part = views.of_labelled([1])
    assert part.labelled == [window(encode, "call me")]
    assert part.labels.tolist() == [1]
    assert part.labelled[0] is views.labelled[1]
    assert part.weak is views.weak


def test_every_window_that_a_step_may_see_is_listed(encode: WindowEncoder):
    views = Views.of(
        encode, [Record("a", Exchange("sell a car"), 0)], [Record("x", Exchange("hi"))], {"x": [Exchange("hello")]}
    )
    assert views.windows() == [window(encode, text) for text in ("sell a car", "hi", "hello")]
