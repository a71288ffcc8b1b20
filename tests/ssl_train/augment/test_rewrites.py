"""Rewrites from end to end: recorded, cached and asked for; counted; stopped, killed and taken up again."""

import asyncio
import io
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from endpoint import MODEL, REFUSAL, ChatServer, Fault, after, always
from railmatch.classifier.errors import DataError, EndpointError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import Cache, Estimate, collect_rewrites, estimate
from railmatch.ssl_train.augment.cache import Answer, Key, text_hash
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.progress import terminal_progress
from railmatch.ssl_train.recipe import AugmentSettings, BudgetSettings, EndpointSettings

NONE = {
    name: 0
    for name in (
        *("kept", "refused", "empty", "unchanged", "near_copy", "too_long", "too_short", "leaked", "wrong_language"),
        *("off_topic", "label_changed", "unjudged", "repeated", "failed", "missing"),
        *("recorded", "from_cache", "asked"),
    )
}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_KEY", "secret-key")


@pytest.fixture
def cache_path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


def settings_for(cache_path: Path, server: ChatServer | None, *strategies: str, **changes: Any) -> AugmentSettings:
    quick = {"model": MODEL, "api_key_env": "TEST_KEY", "backoff_s": 0.001, "timeout_s": 5.0, "max_concurrency": 4}
    endpoint = EndpointSettings(**({"base_url": server.base_url} | quick | changes)) if server else None
    return AugmentSettings(strategy=list(strategies or ("paraphrase",)), endpoint=endpoint, cache=str(cache_path))


def prompts(*texts: str) -> list[Record]:
    return [Record(f"id{number}", Exchange(text)) for number, text in enumerate(texts)]


def many(count: int) -> list[Record]:
    return prompts(*(f"Request number {number}" for number in range(count)))


def text_of(messages: list[dict[str, Any]]) -> str:
    """Find the text that a request holds between its markers."""
    return re.search(r"<<<TEXT (\w+)>>>\n(.*)\n<<<END \1>>>", messages[-1]["content"], re.DOTALL)[2]


def rewrite(messages: list[dict[str, Any]]) -> str:
    """Answer like a model that does as told, and says which text and which instruction it had."""
    kind = "restyled" if "restyl" in messages[0]["content"] else "in other words"
    part = "answer" if "answers of chat assistants" in messages[0]["content"] else "message"
    return f"{text_of(messages)}, {kind}, {part}"


def counts(**changed: int) -> dict[str, int]:
    return NONE | changed


def test_every_text_gets_a_rewrite_for_each_strategy_in_their_order(cache_path: Path):
    with ChatServer(rewrite) as server:
        found = collect_rewrites(prompts("a", "b"), "prompt", settings_for(cache_path, server, "restyle", "paraphrase"))
    assert found.rewrites == {
        "id0": [Exchange("a, restyled, message"), Exchange("a, in other words, message")],
        "id1": [Exchange("b, restyled, message"), Exchange("b, in other words, message")],
    }
    assert found.counts == counts(kept=4, asked=4)


def test_prompt_and_response_are_rewritten_separately(cache_path: Path):
    records = [Record("x", Exchange("How?", "Like this."))]
    with ChatServer(rewrite) as server:
        found = collect_rewrites(records, "response", settings_for(cache_path, server))
        assert sorted(text_of(request["messages"]) for request in server.requests) == ["How?", "Like this."]
    assert found.rewrites == {"x": [Exchange("How?, in other words, message", "Like this., in other words, answer")]}
    assert found.counts == counts(kept=1, asked=2)


def test_a_pair_is_kept_only_where_both_parts_are(cache_path: Path):
    records = [Record("x", Exchange("How?", "Like this.")), Record("y", Exchange("Why?", "For fun."))]
    with ChatServer(lambda messages: REFUSAL if text_of(messages) == "Why?" else rewrite(messages)) as server:
        found = collect_rewrites(records, "response", settings_for(cache_path, server))
    assert list(found.rewrites) == ["x"]
    assert found.counts == counts(kept=1, refused=1, asked=4)


def test_a_response_whose_question_is_not_known_keeps_its_empty_prompt(cache_path: Path):
    records = [Record("x", Exchange("", "Like this."))]
    with ChatServer(rewrite) as server:
        found = collect_rewrites(records, "response", settings_for(cache_path, server))
        assert server.calls == 1
    assert found.rewrites == {"x": [Exchange("", "Like this., in other words, answer")]}


def test_what_is_no_rewrite_is_counted_and_never_used(cache_path: Path):
    answers = {
        "one": REFUSAL,
        "two": "",
        "three": "THREE!",
        "four": "far too long " * 30,
        "five": "a real rewrite",
        "six, text of quite some length, which is told again": "Six, text of quite some length, which is told agains",
        "seven " * 80: "number 7",
        "eight": "Sure, here it is in other words",
        "nine": "\u0434\u0435\u0432\u044f\u0442\u044c",
    }
    records = prompts(*answers)
    with ChatServer(lambda messages: answers[text_of(messages)]) as server:
        found = collect_rewrites(records, "prompt", settings_for(cache_path, server))
        again = collect_rewrites(records, "prompt", settings_for(cache_path, server))
        assert server.calls == 9  # what was paid for is kept with its reason, and not asked again
    assert found.rewrites == again.rewrites == {"id4": [Exchange("a real rewrite")]}
    names = ("kept", "refused", "empty", "unchanged", "near_copy", "too_long", "too_short", "leaked", "wrong_language")
    outcome = dict.fromkeys(names, 1)
    assert found.counts == counts(**outcome, asked=9)
    assert again.counts == counts(**outcome, from_cache=9)


def test_a_second_run_needs_neither_endpoint_nor_key(cache_path: Path, monkeypatch: pytest.MonkeyPatch):
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server)
        first = collect_rewrites(many(3), "prompt", settings)
    monkeypatch.delenv("TEST_KEY")
    again = collect_rewrites(many(3), "prompt", settings)
    assert again.rewrites == first.rewrites
    assert again.counts == counts(kept=3, from_cache=3)


def test_only_new_texts_are_asked(cache_path: Path):
    with ChatServer(rewrite) as server:
        collect_rewrites(many(3), "prompt", settings_for(cache_path, server))
        found = collect_rewrites(many(5), "prompt", settings_for(cache_path, server))
        assert server.calls == 5
    assert found.counts == counts(kept=5, from_cache=3, asked=2)


@pytest.mark.parametrize("changes", [{"model": "another"}, {"temperature": 0.1}, {"top_p": 0.5}, {"max_tokens": 99}])
def test_another_model_or_sampling_is_asked_anew(cache_path: Path, changes: dict[str, Any]):
    with ChatServer(rewrite) as server:
        collect_rewrites(many(1), "prompt", settings_for(cache_path, server))
        collect_rewrites(many(1), "prompt", settings_for(cache_path, server, **changes))
        assert server.calls == 2


def test_how_it_is_asked_is_no_part_of_the_key(cache_path: Path):
    with ChatServer(rewrite) as server:
        collect_rewrites(many(1), "prompt", settings_for(cache_path, server))
        collect_rewrites(
            many(1), "prompt", settings_for(cache_path, server, timeout_s=9, max_concurrency=1, max_retries=1)
        )
        assert server.calls == 1


def test_another_template_is_asked_anew(cache_path: Path, tmp_path: Path):
    file = tmp_path / "own.txt"
    file.write_text("version: 1\n--- system ---\nRewrite.\n--- user ---\n{text}\n", encoding="utf-8")
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server, "own.txt")
        collect_rewrites(many(1), "prompt", settings, base=tmp_path)
        file.write_text("version: 2\n--- system ---\nRewrite well.\n--- user ---\n{text}\n", encoding="utf-8")
        collect_rewrites(many(1), "prompt", settings, base=tmp_path)
        assert [request["messages"][0]["content"] for request in server.requests] == ["Rewrite.", "Rewrite well."]


def test_a_text_that_occurs_twice_is_asked_once(cache_path: Path):
    with ChatServer(rewrite) as server:
        found = collect_rewrites(prompts("a", "b", "a", "a"), "prompt", settings_for(cache_path, server))
        assert server.calls == 2
    assert {
        identity for identity, kept in found.rewrites.items() if kept == [Exchange("a, in other words, message")]
    } == {
        "id0",
        "id2",
        "id3",
    }
    assert found.counts == counts(kept=4, asked=2)


def test_the_calls_in_flight_are_bounded(cache_path: Path):
    with ChatServer(rewrite, latency_s=0.02) as server:
        collect_rewrites(many(24), "prompt", settings_for(cache_path, server, max_concurrency=3))
        assert server.most_at_once == 3
        assert server.calls == 24


def test_a_text_that_keeps_failing_is_counted_and_the_run_goes_on(cache_path: Path):
    broken = Fault("broken")
    with ChatServer(
        rewrite, faults=lambda number, body: broken if "number 1\n" in str(body["messages"][-1]["content"]) else None
    ) as server:
        found = collect_rewrites(many(4), "prompt", settings_for(cache_path, server, max_retries=2))
        assert server.calls == 6
        assert sorted(found.rewrites) == ["id0", "id2", "id3"]
        assert found.counts == counts(kept=3, failed=1, asked=4)
        # Nothing was paid for it and nothing stored, so the next run tries again.
        server.faults = lambda number, body: None
        assert collect_rewrites(many(4), "prompt", settings_for(cache_path, server)).counts == counts(
            kept=4, from_cache=3, asked=1
        )


def test_a_blank_text_and_one_that_cannot_fit_are_not_asked(cache_path: Path):
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server, max_tokens=16)
        found = collect_rewrites(prompts("  \n", "x" * 129, "fine"), "prompt", settings)
        assert [text_of(request["messages"]) for request in server.requests] == ["fine"]
    assert found.counts == counts(empty=1, too_long=1, kept=1, asked=1, from_cache=2)


@pytest.mark.parametrize(
    "text", ["nul \x00 \x07 \x1b[0m", "lone \ud800 surrogate", "\u202e\u05d0\u05d1 \U0001f600", "xy" * 2500]
)
def test_strange_texts_are_asked_like_others(cache_path: Path, text: str):
    with ChatServer(lambda messages: f"{text_of(messages)} {text_of(messages)[::-1]}") as server:
        found = collect_rewrites(prompts(text), "prompt", settings_for(cache_path, server))
    seen = text.replace("\ud800", "\ufffd")
    assert found.rewrites == {"id0": [Exchange(f"{seen} {seen[::-1]}")]}


def test_an_answer_with_a_lone_surrogate_can_be_stored(cache_path: Path):
    with ChatServer(lambda messages: "broken \udc00 half") as server:
        found = collect_rewrites(many(1), "prompt", settings_for(cache_path, server))
    assert found.rewrites == {"id0": [Exchange("broken \ufffd half")]}


def test_recorded_rewrites_come_first(cache_path: Path):
    recorded = {
        "id0": [Exchange("recorded one"), Exchange("recorded two")],
        "id1": [None, Exchange("half recorded")],
        "id2": [],
    }
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server, "paraphrase", "restyle")
        found = collect_rewrites(prompts("a", "b", "c"), "prompt", settings, recorded=recorded)
        assert sorted(text_of(request["messages"]) for request in server.requests) == ["b", "c", "c"]
    assert found.rewrites["id0"] == [Exchange("recorded one"), Exchange("recorded two")]
    assert found.rewrites["id1"] == [Exchange("b, in other words, message"), Exchange("half recorded")]
    assert found.counts == counts(kept=6, recorded=3, asked=3)


def test_recorded_rewrites_are_in_the_cache_for_later_runs(cache_path: Path):
    settings = settings_for(cache_path, None)
    collect_rewrites(prompts("a"), "prompt", settings, recorded={"id0": [Exchange("recorded")]})
    with Cache(cache_path) as cache:
        key = Key(text_hash("a"), "prompt/paraphrase", "recorded", "")
        assert cache.get(key) == Answer("kept", "recorded")
    found = collect_rewrites([Record("other id", Exchange("a"))], "prompt", settings)
    assert found.rewrites == {"other id": [Exchange("recorded")]}
    assert found.counts == counts(kept=1, from_cache=1)


def test_recorded_rewrites_are_judged_too(cache_path: Path):
    recorded = {"id0": [Exchange(REFUSAL)], "id1": [Exchange("B.")], "id2": [Exchange("")], "id3": [Exchange("good")]}
    found = collect_rewrites(prompts("a", "b", "c", "d"), "prompt", settings_for(cache_path, None), recorded=recorded)
    assert found.rewrites == {"id3": [Exchange("good")]}
    assert found.counts == counts(refused=1, unchanged=1, empty=1, kept=1, recorded=4)


def test_recorded_pairs_are_pairs(cache_path: Path):
    records = [Record("x", Exchange("How?", "Like this."))]
    recorded = {"x": [Exchange("In what way?", "Do it so.")]}
    settings = settings_for(cache_path, None)
    for given in (recorded, {}):
        found = collect_rewrites(records, "response", settings, recorded=given)
        assert found.rewrites == recorded


def test_a_recorded_pair_whose_question_is_not_known_keeps_its_empty_prompt(cache_path: Path):
    records = [Record("x", Exchange("", "Like this."))]
    recorded = {"x": [Exchange("", "Do it so.")]}
    found = collect_rewrites(records, "response", settings_for(cache_path, None), recorded=recorded)
    assert found.rewrites == recorded


@pytest.mark.parametrize(
    ("task", "exchange", "rewritten", "wanted"),
    [
        ("response", Exchange("a", "b"), Exchange("c"), "in the response task a rewrite is a pair"),
        ("prompt", Exchange("a"), Exchange("c", "d"), "in the prompt task a rewrite is a text"),
    ],
)
def test_recorded_rewrites_of_the_other_task_are_refused(cache_path: Path, task, exchange, rewritten, wanted: str):
    with pytest.raises(DataError, match=f"recorded rewrites of 'x': {wanted}"):
        collect_rewrites([Record("x", exchange)], task, settings_for(cache_path, None), recorded={"x": [rewritten]})


def test_without_an_endpoint_the_rest_is_missing(cache_path: Path):
    found = collect_rewrites(many(2), "prompt", settings_for(cache_path, None), recorded={"id1": [Exchange("good")]})
    assert found.counts == counts(kept=1, missing=1, recorded=1)


def test_tokens_and_cost_are_those_of_the_run(cache_path: Path):
    with ChatServer(lambda messages: "two words") as server:
        settings = settings_for(cache_path, server, price_input=2.0, price_output=10.0)
        found = collect_rewrites(many(3), "prompt", settings)
        again = collect_rewrites(many(3), "prompt", settings)
    sent = sum(len(m["content"].split()) for request in server.requests for m in request["messages"])
    assert (found.input_tokens, found.output_tokens) == (sent, 6)
    assert found.cost == pytest.approx((sent * 2.0 + 6 * 10.0) / 1e6)
    assert (again.input_tokens, again.output_tokens, again.cost) == (0, 0, 0.0)


def test_progress_counts_the_calls(cache_path: Path):
    steps: list[tuple[str, int]] = []
    done = Counter[str]()

    @contextmanager
    def progress(description: str, total: int) -> Iterator[Any]:
        steps.append((description, total))
        yield lambda count: done.update({description: count})

    with ChatServer(rewrite) as server:
        collect_rewrites(many(3), "prompt", settings_for(cache_path, server), progress=progress)
        collect_rewrites(many(5), "prompt", settings_for(cache_path, server), progress=progress)
        collect_rewrites(many(5), "prompt", settings_for(cache_path, server), progress=progress)
    assert steps == [("Asking for rewrites", 3), ("Asking for rewrites", 2)]
    assert done == {"Asking for rewrites": 5}


def test_the_estimate_is_what_is_left_to_ask(cache_path: Path, tmp_path: Path):
    (tmp_path / "own.txt").write_text("version: 1\n--- system ---\nRewrite.\n--- user ---\n{text}\n", encoding="utf-8")
    records = prompts("abcdefgh", "ab", "abcdefgh", "recorded")
    recorded = {"id3": [Exchange("noted down")]}
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server, "own.txt", price_input=1.0, price_output=10.0)
        before = estimate(records, "prompt", settings, recorded, base=tmp_path)
        assert server.calls == 0
        assert not cache_path.exists()
        collect_rewrites(records[:1], "prompt", settings, recorded=recorded, base=tmp_path)
        after_one = estimate(records, "prompt", settings, recorded, base=tmp_path)
    # "Rewrite." is 2 tokens of 4 bytes; the marker lines have 23 and 22 bytes, with their line ends 47 around the text.
    # So the requests have 8 + 47 = 55 bytes or 14 tokens and 2 + 47 = 49 bytes or 13 tokens, the rewrites 2 and 1.
    assert before == Estimate(2, 2 + 14 + 2 + 13, 2 + 1, (31 * 1.0 + 3 * 10.0) / 1e6)
    assert after_one == Estimate(1, 2 + 13, 1, (15 * 1.0 + 1 * 10.0) / 1e6)


def test_without_prices_there_is_no_cost(cache_path: Path):
    with ChatServer(rewrite) as server:
        assert estimate(many(1), "prompt", settings_for(cache_path, server)).cost is None
        assert collect_rewrites(many(1), "prompt", settings_for(cache_path, server, price_input=1.0)).cost is None


def test_an_unknown_strategy_stops_before_anything_is_made(cache_path: Path):
    with pytest.raises(SettingsError, match="no strategy 'summarise'"):
        collect_rewrites(many(1), "prompt", settings_for(cache_path, None, "summarise"))
    assert not cache_path.exists()


def test_a_strategy_may_stand_once(cache_path: Path):
    with pytest.raises(ValueError, match=r"restyle: a strategy .* may stand once"):
        settings_for(cache_path, None, "restyle", "own/restyle.txt")


def test_nobody_at_the_address_stops_the_run(cache_path: Path):
    with ChatServer() as server:
        settings = settings_for(cache_path, server)
    with pytest.raises(EndpointError) as caught:
        collect_rewrites(many(30), "prompt", settings)
    assert settings.endpoint
    assert str(caught.value).startswith(
        f"endpoint {settings.endpoint.base_url}: no text was answered, the last because of this: no connection ("
    )
    assert "check that it runs and that augment.endpoint.base_url is right" in str(caught.value)


def test_nobody_at_the_address_stops_a_run_of_one_text_too(cache_path: Path):
    with ChatServer() as server:
        settings = settings_for(cache_path, server)
    with pytest.raises(EndpointError, match="no text was answered"):
        collect_rewrites(many(1), "prompt", settings)


def test_five_failures_before_any_answer_stop_the_run(cache_path: Path):
    with ChatServer(faults=always(Fault("broken"))) as server:
        settings = settings_for(cache_path, server, max_retries=1, max_concurrency=1)
        with pytest.raises(EndpointError, match="no text was answered, the last because of this: it said 500"):
            collect_rewrites(many(30), "prompt", settings)
        assert server.calls == 10


def test_an_endpoint_that_goes_down_stops_the_run_and_loses_nothing(cache_path: Path):
    with ChatServer(rewrite, faults=after(7, Fault("broken"))) as server:
        settings = settings_for(cache_path, server, max_retries=0)
        with pytest.raises(
            EndpointError, match=r"no answer to the last 50 texts.*run again: what was answered is stored"
        ):
            collect_rewrites(many(100), "prompt", settings)
        server.faults = lambda number, body: None
        found = collect_rewrites(many(100), "prompt", settings)
    assert found.counts == counts(kept=100, from_cache=7, asked=93)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("unauthorised", "TEST_KEY is not accepted"),
        ("no_model", "it has no model 'test-model'"),
        ("not_json", "this is not the chat-completions protocol"),
    ],
)
def test_what_waiting_does_not_cure_stops_the_run_at_once(cache_path: Path, kind, said: str):
    with ChatServer(rewrite, faults=always(Fault(kind))) as server:
        with pytest.raises(EndpointError, match=said):
            collect_rewrites(many(500), "prompt", settings_for(cache_path, server))
        assert server.calls <= 8  # those in flight


def test_a_key_that_runs_out_in_the_middle_loses_nothing(cache_path: Path):
    with ChatServer(rewrite, faults=after(10, Fault("unauthorised"))) as server:
        settings = settings_for(cache_path, server, max_concurrency=1)
        with pytest.raises(EndpointError, match="TEST_KEY"):
            collect_rewrites(many(20), "prompt", settings)
        assert server.calls == 11
        server.faults = lambda number, body: None
        assert collect_rewrites(many(20), "prompt", settings).counts == counts(kept=20, from_cache=10, asked=10)


def test_a_model_that_refuses_nearly_everything_is_stopped_early_with_the_share(cache_path: Path):
    def mostly(messages: list[dict[str, Any]]) -> str:
        return rewrite(messages) if text_of(messages).endswith("0") else REFUSAL

    with ChatServer(mostly) as server:
        settings = settings_for(cache_path, server, max_concurrency=1)
        with pytest.raises(EndpointError) as caught:
            collect_rewrites(many(200), "prompt", settings)
        assert server.calls == 50
        with Cache(cache_path) as cache:
            assert len(cache) == 50
    assert "refused 45 of the first 50 texts (90%); name another in augment.endpoint.model" in str(caught.value)


def test_the_calls_in_flight_are_paid_for_and_so_kept_when_a_refusing_model_is_stopped(cache_path: Path):
    with ChatServer(lambda messages: REFUSAL, latency_s=0.01) as server:
        with pytest.raises(EndpointError, match="refused"):
            collect_rewrites(many(200), "prompt", settings_for(cache_path, server, max_concurrency=8))
        with Cache(cache_path) as cache:
            assert len(cache) == server.calls < 200


def test_a_model_that_refuses_less_goes_on(cache_path: Path):
    def some(messages: list[dict[str, Any]]) -> str:
        return rewrite(messages) if re.search(r"[05]$", text_of(messages)) else REFUSAL

    with ChatServer(some) as server:
        found = collect_rewrites(many(60), "prompt", settings_for(cache_path, server))
    assert found.counts == counts(kept=12, refused=48, asked=60)


def test_a_cache_that_cannot_be_used_stops_before_anything_is_paid(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("not a cache, but long enough to be read as one " * 20)
    with ChatServer(rewrite) as server:
        with pytest.raises(DataError, match="not a cache of RailMatch"):
            collect_rewrites(many(3), "prompt", settings_for(file, server))
        assert server.calls == 0


def test_an_endpoint_that_goes_down_at_the_very_end_loses_the_last_texts_only(cache_path: Path):
    with ChatServer(rewrite, faults=after(18, Fault("broken"))) as server:
        settings = settings_for(cache_path, server, max_retries=0)
        found = collect_rewrites(many(20), "prompt", settings)
        assert found.counts == counts(kept=18, failed=2, asked=20)
        server.faults = lambda number, body: None
        assert collect_rewrites(many(20), "prompt", settings).counts == counts(kept=20, from_cache=18, asked=2)


def test_several_rewrites_a_text_are_asked_for_apart(cache_path: Path):
    answers = iter(["one way", "another way", "one way"])
    with ChatServer(lambda messages: next(answers)) as server:
        settings = settings_for(cache_path, server, max_concurrency=1).model_copy(update={"variants": 3})
        found = collect_rewrites(many(1), "prompt", settings)
        again = collect_rewrites(many(1), "prompt", settings)
        assert server.calls == 3
    assert found.rewrites == again.rewrites == {"id0": [Exchange("one way"), Exchange("another way")]}
    assert found.counts == counts(kept=2, repeated=1, asked=3)


def test_a_recorded_rewrite_stands_for_the_first_of_several(cache_path: Path):
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server).model_copy(update={"variants": 2})
        found = collect_rewrites(prompts("a"), "prompt", settings, recorded={"id0": [Exchange("recorded")]})
        assert server.calls == 1
    assert found.rewrites == {"id0": [Exchange("recorded"), Exchange("a, in other words, message")]}


def test_a_budget_leaves_the_rest_missing_for_every_later_run(cache_path: Path):
    with ChatServer(rewrite) as server:
        settings = settings_for(cache_path, server, budget=BudgetSettings(max_calls=5))
        found = collect_rewrites(many(8), "prompt", settings)
        again = collect_rewrites(many(8), "prompt", settings)
        assert server.calls == 5
    assert found.counts == counts(kept=5, missing=3, asked=5)
    assert again.counts == counts(kept=5, missing=3, from_cache=5)
    assert found.stopped is not None
    assert found.stopped == again.stopped


def test_what_was_spent_is_told_while_it_goes_on(cache_path: Path):
    lines = io.StringIO()
    with ChatServer(lambda messages: "two words") as server:
        settings = settings_for(cache_path, server, price_input=0.0, price_output=1e6, max_concurrency=1)
        collect_rewrites(many(2), "prompt", settings, progress=terminal_progress(lines, every_s=0.0))
    sent = [sum(len(m["content"].split()) for m in request["messages"]) for request in server.requests]
    told = re.findall(r"([\d,]+) tokens, cost ([\d.]+)$", lines.getvalue(), re.MULTILINE)
    assert told == [(str(sent[0] + 2), "2.00"), (str(sum(sent) + 4), "4.00")]


def test_it_works_inside_a_running_event_loop(cache_path: Path):
    async def notebook() -> dict[str, int]:
        with ChatServer(rewrite) as server:
            return collect_rewrites(many(3), "prompt", settings_for(cache_path, server)).counts

    assert asyncio.run(notebook()) == counts(kept=3, asked=3)


CHILD = """
import sys
from pathlib import Path
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import collect_rewrites
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.progress import terminal_progress
from railmatch.ssl_train.recipe import AugmentSettings, BudgetSettings, EndpointSettings
endpoint = EndpointSettings(base_url=sys.argv[1], model="test-model", api_key_env="TEST_KEY", max_concurrency=4)
records = [Record(f"id{number}", Exchange(f"Request number {number}")) for number in range(60)]
settings = AugmentSettings(strategy=["paraphrase"], endpoint=endpoint, cache=sys.argv[2])
collect_rewrites(records, "prompt", settings)
"""


def interrupted(server: ChatServer, cache_path: Path, how: signal.Signals) -> tuple[int, str]:
    """Run a collection in a process of its own and end it in the middle; give its exit status and last line."""
    command = [sys.executable, "-c", CHILD, server.base_url, str(cache_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while server.calls < 20 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(how)
        _, errors = process.communicate(timeout=300)
    return process.returncode, errors.strip().splitlines()[-1] if errors.strip() else ""


def test_a_run_that_is_interrupted_goes_on_where_it_stopped_and_pays_nothing_twice(cache_path: Path):
    with ChatServer(rewrite, latency_s=0.02) as server:
        status, last = interrupted(server, cache_path, signal.SIGINT)
        assert status == -signal.SIGINT
        assert last == "KeyboardInterrupt"
        with Cache(cache_path) as cache:
            stored = len(cache)
        assert 12 <= stored < 60
        time.sleep(0.05)  # the calls that were in flight come to their end
        lost = server.calls - stored
        assert lost <= 4
        found = collect_rewrites(many(60), "prompt", settings_for(cache_path, server))
        assert found.counts == counts(kept=60, from_cache=stored, asked=60 - stored)
        assert server.calls == 60 + lost
        asked = Counter(text_of(request["messages"]) for request in server.requests)
        assert len(asked) == 60
        assert sum(number - 1 for number in asked.values()) == lost
