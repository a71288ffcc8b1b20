"""The second look: what is off topic, what a judge says, and that both follow the settings without being redone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endpoint import MODEL, REFUSAL, ChatServer, Fault, Messages
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import Cache, Estimate, collect_rewrites, estimate
from railmatch.ssl_train.augment.cache import Answer, Key
from railmatch.ssl_train.augment.second_look import Pair, is_off_topic, judged_status, measure, read_judgement
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.progress import silent
from railmatch.ssl_train.recipe import AugmentSettings, EndpointSettings, QualitySettings

REWRITES = {"bread at home": "a loaf in my kitchen", "moss on roofs": "green stuff up there", "lost keys": "gone keys"}


def records() -> list[Record]:
    return [Record(text, Exchange(text)) for text in REWRITES]


def settings_for(path: Path, server: ChatServer, **quality: Any) -> AugmentSettings:
    endpoint = EndpointSettings(
        base_url=server.base_url, model=MODEL, api_key_env="NO_KEY", max_retries=0, max_concurrency=1
    )
    return AugmentSettings(
        strategy=["paraphrase"], endpoint=endpoint, quality=QualitySettings(**quality), cache=str(path)
    )


def is_judge(messages: Messages) -> bool:
    return "You are a judge" in messages[0]["content"]


def answer(messages: Messages) -> str:
    """Rewrite, and as a judge find the kitchen right, the green stuff wrong, and refuse the keys."""
    content = messages[-1]["content"]
    if not is_judge(messages):
        return next(new for text, new in REWRITES.items() if text in content)
    return "Yes." if "kitchen" in content else "no" if "green" in content else REFUSAL


def outcomes(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count and name not in ("asked", "from_cache")}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("yes", "yes"),
        ("No.", "no"),
        ("**Yes**, it is.", "yes"),
        ("<think>no, or yes</think>\n\nYES", "yes"),
        ("The aim is the same.\n\nyes", "yes"),
        ("Nobody knows", None),
        ("I would say yes", None),
        ("", None),
    ],
)
def test_a_judgement_is_one_word(said: str, word: str | None):
    assert read_judgement(said) == word


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (Answer("kept", "yes"), "kept"),
        (Answer("kept", "no"), "label_changed"),
        (Answer("refused", "I can't"), "unjudged"),
        (Answer("unreadable", "perhaps"), "unjudged"),
        (None, "unjudged"),
    ],
)
def test_only_a_yes_keeps_a_rewrite(said: Answer | None, status: str):
    assert judged_status(said) == status


def test_without_a_floor_or_a_similarity_nothing_is_off_topic():
    assert is_off_topic(0.2, 0.3)
    assert not is_off_topic(0.3, 0.3)
    assert not is_off_topic(None, 0.3)
    assert not is_off_topic(-1.0, None)


def test_the_similarity_is_the_cosine_and_is_measured_once():
    rows = {"a": [1.0, 0.0], "b": [0.6, 0.8]}
    seen: list[str] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([rows[text] for text in texts], dtype=np.float32)

    key = Key("hash", "template", "model", "sampling")
    with Cache(":memory:") as cache:
        cache.put(key, Answer("kept", "b", 5, 1))

        def pairs():
            yield Pair("a", "prompt", key, cache.get(key))

        measure(pairs, cache, silent, embed)
        measure(pairs, cache, silent, embed)
        assert cache.get(key) == Answer("kept", "b", 5, 1, pytest.approx(0.6))
    assert seen == ["a", "b"]


def test_a_judge_decides_which_rewrites_are_kept(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    with ChatServer(answer) as server:
        found = collect_rewrites(records(), "prompt", settings_for(path, server, label_kept=True))
        assert Counter(is_judge(body["messages"]) for body in server.requests) == {False: 3, True: 3}
        assert {body["temperature"] for body in server.requests if is_judge(body["messages"])} == {0.0}
        again = collect_rewrites(records(), "prompt", settings_for(path, server, label_kept=True))
        without = collect_rewrites(records(), "prompt", settings_for(path, server))
        assert server.calls == 6
    assert found.rewrites == again.rewrites == {"bread at home": [Exchange("a loaf in my kitchen")]}
    assert outcomes(found.counts) == outcomes(again.counts) == {"kept": 1, "label_changed": 1, "unjudged": 1}
    assert outcomes(without.counts) == {"kept": 3}


def test_what_the_judge_did_not_answer_is_asked_again(tmp_path: Path):
    path = tmp_path / "cache.sqlite"

    def broken(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("broken") if is_judge(body["messages"]) and "kitchen" in str(body) else None

    with ChatServer(answer, faults=broken) as server:
        settings = settings_for(path, server, label_kept=True)
        assert outcomes(collect_rewrites(records(), "prompt", settings).counts) == {"label_changed": 1, "unjudged": 2}
        server.faults = lambda number, body: None
        assert outcomes(collect_rewrites(records(), "prompt", settings).counts) == {
            "kept": 1, "label_changed": 1, "unjudged": 1,
        }  # fmt: skip


def test_a_judgement_that_broke_off_is_asked_for_again_once_it_may_be_longer(tmp_path: Path):
    path = tmp_path / "cache.sqlite"

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("cut") if is_judge(body["messages"]) and body["max_tokens"] < 100 else None

    with ChatServer(answer, faults=fault) as server:

        def judgements(max_tokens: int) -> tuple[dict[str, int], int]:
            settings = settings_for(path, server, label_kept=True)
            assert settings.endpoint is not None
            longer = settings.endpoint.model_copy(update={"max_tokens": max_tokens})
            before = sum(is_judge(body["messages"]) for body in server.requests)
            found = collect_rewrites(records(), "prompt", settings.model_copy(update={"endpoint": longer}))
            return outcomes(found.counts), sum(is_judge(body["messages"]) for body in server.requests) - before

        assert judgements(50) == ({"unjudged": 3}, 3)
        assert judgements(50) == ({"unjudged": 3}, 0)
        assert judgements(100) == ({"kept": 1, "label_changed": 1, "unjudged": 1}, 3)


def test_judgements_are_estimated_as_the_most_there_can_be(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    with ChatServer(answer) as server:
        judged = settings_for(path, server, label_kept=True)
        before = estimate(records(), "prompt", judged)
        collect_rewrites(records(), "prompt", settings_for(path, server))
        rewritten = estimate(records(), "prompt", judged)
        collect_rewrites(records(), "prompt", judged)
        assert estimate(records(), "prompt", judged) == Estimate(0, 0, 0, None)
    assert (before.calls, before.at_most) == (6, True)
    assert (rewritten.calls, rewritten.output_tokens, rewritten.at_most) == (3, 3, True)


def test_the_embedded_encoder_tells_a_rewrite_from_another_subject(tmp_path: Path):
    path = tmp_path / "cache.sqlite"
    told = {"How do I bake bread at home?": "In what way can I make a loaf in my own kitchen?",
            "How do I get rid of moss on my roof?": "When does the next train to the coast leave?"}  # fmt: skip
    with ChatServer(lambda messages: next(new for text, new in told.items() if text in str(messages))) as server:
        texts = [Record(str(number), Exchange(text)) for number, text in enumerate(told)]
        strict = collect_rewrites(texts, "prompt", settings_for(path, server, similarity_floor=0.3))
        loose = collect_rewrites(texts, "prompt", settings_for(path, server, similarity_floor=-1.0))
        assert server.calls == 2
    assert list(strict.rewrites) == ["0"]
    assert outcomes(strict.counts) == {"kept": 1, "off_topic": 1}
    assert outcomes(loose.counts) == {"kept": 2}
