"""Questions in batches: answered as if asked one by one, and never paid for twice, whatever fails or is killed."""

import json
import os
import re
import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from batch_endpoint import Batches, LineFault
from endpoint import MODEL, REFUSAL, ChatServer, Messages
from railmatch.classifier.errors import EndpointError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import Cache, collect_rewrites, collect_votes, estimate
from railmatch.ssl_train.augment.batch_store import BatchStore
from railmatch.ssl_train.augment.cache import Answer
from railmatch.ssl_train.augment.claims import new_owner
from railmatch.ssl_train.augment.desk import Desk
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.recipe import AugmentSettings, QualitySettings
from rewriting_process import collect_in_batches

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "railmatch.ssl_train.augment", "railmatch.ssl_train.data.records"])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_KEY", "any")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


def number_of(messages: Messages) -> int:
    (number,) = re.findall(r"Request number (\d+)", messages[-1]["content"])
    return int(number)


def rewrite(messages: Messages) -> str:
    return f"In other words: {number_of(messages)}"


def records(count: int) -> list[Record]:
    return [Record(f"id{number}", Exchange(f"Request number {number}")) for number in range(count)]


def settings_for(server: ChatServer, path: Path, *, batch: dict[str, Any] | None = None, **changes: Any):
    quick: dict[str, Any] = {"trial": 0, "poll_s": 0.01}
    endpoint: dict[str, Any] = {
        "base_url": server.base_url, "model": MODEL, "api_key_env": "TEST_KEY", "backoff_s": 0.001, "max_retries": 1,
        "batch": quick | (batch or {}),
    }  # fmt: skip
    return AugmentSettings(strategy=["paraphrase"], endpoint=endpoint | changes, cache=str(path))


def texts(rewrites: dict[str, list[Exchange]]) -> dict[str, str]:
    return {identity: one.prompt for identity, (one,) in rewrites.items()}


def all_of(count: int) -> dict[str, str]:
    return {f"id{number}": f"In other words: {number}" for number in range(count)}


def test_answers_come_as_if_asked_one_by_one(path: Path):
    """Seven questions, three a batch; the answers lie in the file in another order, with a line separator in one."""

    def answer(messages: Messages) -> str:
        return rewrite(messages) + ("\u2028on a new line" if number_of(messages) == 4 else "")

    with ChatServer(answer, batches=Batches(looks=2)) as server:
        found = collect_rewrites(records(7), "prompt", settings_for(server, path, batch={"requests": 3}))
        assert server.calls == 0
        assert server.batches is not None
        assert [batch["request_counts"]["total"] for batch in reversed(server.batches.made)] == [3, 3, 1]
    assert texts(found.rewrites) == all_of(7) | {"id4": "In other words: 4\u2028on a new line"}
    assert (found.counts["kept"], found.counts["asked"], found.counts["failed"]) == (7, 7, 0)
    sent = sum(len(line["content"].split()) for line in sent_messages(server))
    assert (found.input_tokens, found.output_tokens) == (sent, 6 * 4 + 8)  # "In other words: 0" has four
    with Cache(path) as cache:
        assert cache.spent(MODEL)[:3] == (7, found.input_tokens, found.output_tokens)
        assert cache.rows("SELECT * FROM batches") == cache.rows("SELECT * FROM batched") == []


def sent_messages(server: ChatServer) -> list[dict[str, str]]:
    """The messages in all files of questions."""
    assert server.batches is not None
    uploads = [content for name, content in server.batches.files.items() if name.startswith("file-")]
    return [
        message for file in uploads for line in file.splitlines() for message in json.loads(line)["body"]["messages"]
    ]


def test_votes_and_judgements_are_asked_in_batches_too(path: Path):
    def answer(messages: Messages) -> str:
        if "Policy:" in messages[0]["content"]:
            return "3"
        return "yes" if "You are a judge" in messages[0]["content"] else rewrite(messages)

    with ChatServer(answer, batches=Batches()) as server:
        settings = settings_for(server, path).model_copy(update={"quality": QualitySettings(label_kept=True)})
        found = collect_rewrites(records(3), "prompt", settings)
        votes = collect_votes(records(3), "prompt", settings.model_copy(update={"vote": True}))
        assert server.calls == 0
        assert server.batches is not None
        assert len(server.batches.made) == 3
    assert (found.counts["kept"], found.counts["asked"]) == (3, 6)
    assert votes.votes == {"id0": 3, "id1": 3, "id2": 3}


def test_the_first_questions_are_asked_directly(path: Path):
    with ChatServer(rewrite, batches=Batches()) as server:
        found = collect_rewrites(records(9), "prompt", settings_for(server, path, batch={"trial": 4}))
        assert server.calls == 4
        assert server.batches is not None
        assert server.batches.answered.total() == 5
    assert texts(found.rewrites) == all_of(9)


def test_a_model_that_refuses_is_stopped_before_a_batch_is_made(path: Path):
    with ChatServer(lambda messages: REFUSAL, batches=Batches()) as server:
        with pytest.raises(EndpointError, match="refused 50 of the first 50 texts"):
            collect_rewrites(records(200), "prompt", settings_for(server, path, batch={"trial": 50}))
        assert server.batches is not None
        assert server.batches.made == []


def test_several_batches_are_under_way_at_once(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=1)) as server:
        made: list[int] = []
        assert server.batches is not None
        server.batches.after = lambda what: made.append(len(server.batches.made)) if what == "look" else None
        collect_rewrites(records(6), "prompt", settings_for(server, path, batch={"requests": 2, "at_once": 2}))
    assert made[0] == 2
    assert len(server.batches.made) == 3


@pytest.mark.parametrize(
    ("ends", "fault"),
    [
        ("expired", LineFault(code="batch_expired", message="This request could not be executed in time")),
        ("completed", LineFault(status=429, message="Rate limit reached")),
        ("completed", LineFault(status=500)),
    ],
    ids=["expired", "busy", "broken"],
)
def test_what_a_batch_leaves_goes_into_another(path: Path, ends: str, fault: LineFault):
    left = {1, 3}
    batches = Batches(ends=ends, fault=lambda body: fault if number_of(body["messages"]) in left else None)

    def after(what: str) -> None:
        if what == "content":
            left.clear()

    batches.after = after
    with ChatServer(rewrite, batches=batches) as server:
        found = collect_rewrites(records(5), "prompt", settings_for(server, path))
    assert texts(found.rewrites) == all_of(5)
    assert [batch["request_counts"]["total"] for batch in batches.made] == [2, 5]
    assert set(batches.answered.values()) == {1}


def test_a_question_that_three_batches_left_has_failed(path: Path):
    batches = Batches(fault=lambda body: LineFault(status=500) if number_of(body["messages"]) == 2 else None)
    with ChatServer(rewrite, batches=batches) as server:
        found = collect_rewrites(records(3), "prompt", settings_for(server, path))
    assert [batch["request_counts"]["total"] for batch in batches.made] == [1, 1, 3]
    assert (found.counts["kept"], found.counts["failed"]) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (LineFault(400, "The response was filtered", "content_filter"), "refused"),
        (LineFault(400, "maximum context length is 8192 tokens", "context_length_exceeded"), "too_long"),
        (LineFault(400, "This text is not to my taste", "bad_request"), "failed"),
    ],
    ids=["filtered", "too long", "rejected"],
)
def test_errors_of_a_line_mean_what_they_mean_of_a_call(path: Path, fault: LineFault, outcome: str):
    batches = Batches(fault=lambda body: fault if number_of(body["messages"]) == 1 else None)
    with ChatServer(rewrite, batches=batches) as server:
        found = collect_rewrites(records(3), "prompt", settings_for(server, path))
    assert (found.counts["kept"], found.counts[outcome]) == (2, 1)
    assert len(batches.made) == 1


def test_a_model_that_wants_its_limit_by_the_newer_name_gets_it(path: Path):
    message = "Unsupported 'max_tokens': use 'max_completion_tokens'"
    batches = Batches(fault=lambda body: LineFault(400, message) if "max_tokens" in body else None)
    with ChatServer(rewrite, batches=batches) as server:
        found = collect_rewrites(records(3), "prompt", settings_for(server, path))
    assert texts(found.rewrites) == all_of(3)
    assert len(batches.made) == 2


def test_a_key_that_is_not_accepted_ends_the_run_and_frees_the_questions(path: Path):
    batches = Batches(fault=lambda body: LineFault(401, "Incorrect API key provided", "invalid_api_key"))
    with ChatServer(rewrite, batches=batches) as server:
        with pytest.raises(EndpointError, match="the key in the environment variable TEST_KEY is not accepted"):
            collect_rewrites(records(3), "prompt", settings_for(server, path))
        batches.fault = lambda body: None
        assert texts(collect_rewrites(records(3), "prompt", settings_for(server, path)).rewrites) == all_of(3)


def test_an_endpoint_without_batches_is_named_and_nothing_is_left_waiting(path: Path):
    with ChatServer(rewrite) as server:
        with pytest.raises(EndpointError) as caught:
            collect_rewrites(records(3), "prompt", settings_for(server, path))
        assert str(caught.value) == (
            f"endpoint {server.base_url}: it offers no batches (it said 404); leave augment.endpoint.batch out, and "
            "every question is asked by itself"
        )
        settings = settings_for(server, path).model_copy(update={"endpoint": direct(server)})
        found = collect_rewrites(records(3), "prompt", settings)
    assert texts(found.rewrites) == all_of(3)


def direct(server: ChatServer) -> Any:
    endpoint = settings_for(server, Path("unused")).endpoint
    assert endpoint is not None
    return endpoint.model_copy(update={"batch": None})


def test_a_batch_that_is_refused_names_the_reason(path: Path):
    with ChatServer(rewrite, batches=Batches(refused="Enqueued token limit reached")) as server:
        with pytest.raises(EndpointError) as caught:
            collect_rewrites(records(3), "prompt", settings_for(server, path))
        assert str(caught.value) == (
            f"endpoint {server.base_url}: batch batch_1 was refused (token_limit_exceeded: Enqueued token limit "
            "reached); where it holds too much, lower augment.endpoint.batch.requests, and run again"
        )
        assert server.batches is not None
        server.batches.refused = ""
        assert texts(collect_rewrites(records(3), "prompt", settings_for(server, path)).rewrites) == all_of(3)


def test_an_endpoint_that_is_away_for_a_while_is_waited_for(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=6)) as server:
        looks = iter([True, False, False, False, False, True])

        def after(what: str) -> None:
            if what == "look" and not next(looks, True):
                raise ConnectionResetError("away")

        assert server.batches is not None
        server.batches.after = after
        assert texts(collect_rewrites(records(3), "prompt", settings_for(server, path)).rewrites) == all_of(3)
        assert len(server.batches.made) == 1


def test_a_run_without_patience_leaves_the_batch_to_the_next(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=3)) as server:
        with pytest.raises(EndpointError) as caught:
            collect_rewrites(records(3), "prompt", settings_for(server, path, batch={"wait_h": 1e-9}))
        assert str(caught.value) == (
            f"endpoint {server.base_url}: batch batch_1 has not ended in 1e-09 hours (augment.endpoint.batch.wait_h); "
            "run again to go on waiting, or cancel it there: what it has answered by then is taken, and the rest asked "
            "anew"
        )
        settings = settings_for(server, path)
        assert estimate(records(5), "prompt", settings).calls == 2  # three are paid for
        found = collect_rewrites(records(5), "prompt", settings)
        assert server.batches is not None
        assert set(server.batches.answered.values()) == {1}
    assert texts(found.rewrites) == all_of(5)
    assert found.counts["asked"] == 2


def test_a_run_that_asks_directly_waits_for_the_batch_of_an_earlier_one(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=1)) as server:
        settings = settings_for(server, path, batch={"wait_h": 1e-9})
        with pytest.raises(EndpointError):
            collect_rewrites(records(3), "prompt", settings)
        later = settings.model_copy(update={"endpoint": direct(server)})
        assert texts(collect_rewrites(records(4), "prompt", later).rewrites) == all_of(4)
        assert server.calls == 1


def test_a_batch_that_the_endpoint_has_lost_is_asked_anew(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=2)) as server:
        with pytest.raises(EndpointError):
            collect_rewrites(records(3), "prompt", settings_for(server, path, batch={"wait_h": 1e-9}))
        assert server.batches is not None
        server.batches.made.clear()
        assert texts(collect_rewrites(records(3), "prompt", settings_for(server, path)).rewrites) == all_of(3)


def test_a_batch_at_another_address_is_no_reason_to_wait(path: Path):
    with ChatServer(rewrite, batches=Batches(looks=2)) as server, pytest.raises(EndpointError):
        collect_rewrites(records(3), "prompt", settings_for(server, path, batch={"wait_h": 1e-9}))
    with ChatServer(rewrite, batches=Batches()) as other:
        assert texts(collect_rewrites(records(3), "prompt", settings_for(other, path)).rewrites) == all_of(3)


def test_a_budget_holds(path: Path):
    with ChatServer(rewrite, batches=Batches()) as server:
        settings = settings_for(server, path, batch={"requests": 2}, budget={"max_calls": 5})
        found = collect_rewrites(records(9), "prompt", settings)
        assert server.batches is not None
        assert server.batches.answered.total() == 5
    assert (found.counts["kept"], found.counts["missing"]) == (5, 4)
    assert found.stopped is not None
    assert found.stopped.startswith("augment.endpoint.budget.max_calls is 5, ")


def test_one_of_two_runs_on_a_batch_books_its_answers(path: Path):
    """A second run collects what a first one has sent, and the first finds it settled."""
    with ChatServer(rewrite, batches=Batches(looks=2)) as server:
        assert server.batches is not None
        once = iter([True])

        def after(what: str) -> None:
            if what == "look" and next(once, False):
                with Cache(path) as cache:
                    settle_all(server, cache)

        server.batches.after = after
        found = collect_rewrites(records(3), "prompt", settings_for(server, path))
    assert texts(found.rewrites) == {f"id{number}": "From the other run" for number in range(3)}
    assert found.input_tokens == 0
    with Cache(path) as cache:
        assert cache.spent(MODEL).calls == 3


def settle_all(server: ChatServer, cache: Cache) -> None:
    desk = Desk("prompt", settings_for(server, Path("unused")), {}, None)
    keys = [request.key for request in desk.requests(records(3), cache)]
    ((name,),) = cache.rows("SELECT name FROM batches")
    settled = BatchStore(cache).settle(name, [(key, Answer("kept", "From the other run", 1, 1), None) for key in keys])
    assert settled == set(keys)


def test_questions_of_a_batch_that_is_being_made_elsewhere_are_waited_for(path: Path):
    """Another process has noted a batch; it is found by its name, or known not to exist once that process is over."""
    with ChatServer(rewrite, batches=Batches()) as server:
        settings = settings_for(server, path)
        with Cache(path) as cache:
            desk = Desk("prompt", settings, {}, None)
            keys = [request.key for request in desk.requests(records(2), cache)]
            machine, _, rest = new_owner().partition("/")
            ended = f"{machine}/{ended_process()}/{rest.rpartition('/')[2]}"
            stored = BatchStore(cache).note(keys, server.base_url, ended)
            assert {cache.claim(key, new_owner()) for key in keys} == {"batched"}
        assert texts(collect_rewrites(records(2), "prompt", settings).rewrites) == all_of(2)
        with Cache(path) as cache:
            assert BatchStore(cache).named(stored.name) is None


def ended_process() -> int:
    process = PROCESSES.Process(target=os.getpid)
    process.start()
    process.join()
    assert process.pid
    return process.pid


def test_a_batch_that_was_made_although_the_call_seemed_to_fail_is_not_made_twice(path: Path):
    with ChatServer(rewrite, batches=Batches()) as server:
        assert server.batches is not None
        once = iter([True])

        def after(what: str) -> None:
            if what == "create" and next(once, False):
                raise ConnectionResetError("the line goes dead")

        server.batches.after = after
        assert texts(collect_rewrites(records(3), "prompt", settings_for(server, path)).rewrites) == all_of(3)
        assert len(server.batches.made) == 1


@pytest.mark.parametrize(
    "moment", ["upload 1", "create 1", "look 1", "look 2", "content 1", "upload 2", "create 2", "content 2"]
)
def test_a_run_that_is_killed_pays_for_nothing_twice(path: Path, moment: str):
    """The process is killed after the effect of a call, before it hears of it; the next run goes on from there."""
    happened: dict[str, int] = {}
    with ChatServer(rewrite, batches=Batches(looks=1)) as server:
        assert server.batches is not None
        process = PROCESSES.Process(target=collect_in_batches, args=(server.base_url, str(path), 6, 3))

        def after(what: str) -> None:
            happened[what] = happened.get(what, 0) + 1
            if f"{what} {happened[what]}" == moment and process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGKILL)

        server.batches.after = after
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        settings = settings_for(server, path, batch={"requests": 3})
        found = collect_rewrites(records(6), "prompt", settings)
        assert server.calls == 0
        assert sorted(server.batches.answered.values()) == [1] * 6
    assert texts(found.rewrites) == all_of(6)
    with Cache(path) as cache:
        assert cache.spent(MODEL).calls == 6
        assert len(cache) == 6


def test_an_endpoint_that_is_down_is_named(path: Path):
    with ChatServer(rewrite) as server:
        settings = settings_for(server, path)
    with pytest.raises(EndpointError, match=r"batches: no connection .*; run again: what was asked before is not lost"):
        collect_rewrites(records(2), "prompt", settings)
