"""Two processes on one cache, and processes that are killed: nothing is broken, nothing is paid for twice."""

import os
import random
import re
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import pytest
from endpoint import MODEL, ChatServer, Messages
from railmatch.ssl_train.augment import Cache
from railmatch.ssl_train.augment.cache import Answer, Key, text_hash
from railmatch.ssl_train.augment.claims import LEASE_S, has_ended, new_owner
from rewriting_process import AT_ONCE, STRATEGIES, TEXTS, collect

KEY = Key(text_hash("Hello"), "prompt/paraphrase@0123456789abcdef", MODEL, "temperature=0.7")
# Forked from a process that has imported everything once: a start of Python each would take a minute.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "railmatch.ssl_train.augment", "railmatch.ssl_train.data.records"])


def text_of(messages: Messages) -> str:
    """Find the number of the text that a request is about."""
    (number,) = re.findall(r"Request number (\d+)", messages[-1]["content"])
    return number


def rewrite(messages: Messages) -> str:
    return f"In other words: {text_of(messages)}"


def stored(path: Path) -> int:
    """How many answers there are; 0 before the file is made."""
    if not path.exists():
        return 0
    with Cache(path) as cache:
        return len(cache)


def questions(server: ChatServer) -> Counter[tuple[str, str]]:
    """Count how often each text was asked about by each instruction."""
    return Counter((text_of(body["messages"]), body["messages"][0]["content"][:40]) for body in server.requests)


def ended_process() -> int:
    """Give the number of a process that is over."""
    process = PROCESSES.Process(target=os.getpid)
    process.start()
    process.join()
    assert process.pid
    return process.pid


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_KEY", "any")  # `collect` sets it, in this process too


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


def test_a_question_has_one_owner_until_it_is_answered(path: Path):
    one, other = new_owner(), new_owner()
    with Cache(path) as cache, Cache(path) as second:
        assert cache.claim(KEY, one) == "ours"
        assert second.claim(KEY, other) == "theirs"
        assert cache.claim(KEY, one) == "ours"
        cache.settle(KEY, Answer("kept", "Hi"), None)
        assert second.claim(KEY, other) == "answered"


def test_a_question_that_is_given_up_is_free(path: Path):
    one, other = new_owner(), new_owner()
    with Cache(path) as cache:
        cache.claim(KEY, one)
        cache.release(other, KEY)
        assert cache.claim(KEY, other) == "theirs"
        cache.release(one, KEY)
        assert cache.claim(KEY, other) == "ours"
        cache.release(other)
        assert cache.claim(KEY, one) == "ours"


def test_a_claim_runs_out_unless_it_is_renewed(path: Path, monkeypatch: pytest.MonkeyPatch):
    one, other = new_owner(), new_owner()
    now = time.time()
    with Cache(path) as cache:
        cache.claim(KEY, one)
        monkeypatch.setattr(time, "time", lambda: now + LEASE_S / 2)
        cache.renew(one)
        monkeypatch.setattr(time, "time", lambda: now + LEASE_S * 1.4)
        assert cache.claim(KEY, other) == "theirs"
        monkeypatch.setattr(time, "time", lambda: now + LEASE_S * 1.6)
        assert cache.claim(KEY, other) == "ours"


def test_the_claim_of_a_process_that_ended_counts_no_more(path: Path):
    machine, own, _ = new_owner().split("/")
    gone = f"{machine}/{ended_process()}/00000000"
    assert has_ended(gone)
    assert not has_ended(f"{machine}/{own}/00000000")
    assert not has_ended(gone.replace(machine, "another-machine"))
    with Cache(path) as cache:
        cache.claim(KEY, gone)
        assert cache.claim(KEY, new_owner()) == "ours"


def test_two_processes_share_the_work(path: Path):
    with ChatServer(rewrite, latency_s=0.01) as server:
        start = PROCESSES.Barrier(2)
        both = [
            PROCESSES.Process(target=collect, args=(server.base_url, str(path), name, start)) for name in ("one", "two")
        ]
        for process in both:
            process.start()
        for process in both:
            process.join()
        assert [process.exitcode for process in both] == [0, 0]
        assert set(server.keys) == {"one", "two"}
        asked = questions(server)
    assert len(asked) == TEXTS * len(STRATEGIES)
    assert set(asked.values()) == {1}
    assert stored(path) == TEXTS * len(STRATEGIES)


def test_thirty_kills_cost_no_more_than_what_was_in_flight(path: Path):
    draw = random.Random(0)
    lost = 0
    with ChatServer(rewrite, latency_s=0.005) as server:
        for _ in range(30):
            process = PROCESSES.Process(target=collect, args=(server.base_url, str(path)))
            calls = server.calls + draw.randint(0, 5)
            process.start()
            while server.calls < calls:
                time.sleep(0.001)
            time.sleep(draw.uniform(0.0, 0.008))
            process.kill()
            process.join()
            time.sleep(0.02)  # the calls that were in flight come to their end
            now_lost = server.calls - stored(path)
            assert now_lost - lost <= AT_ONCE
            lost = now_lost
        left = TEXTS * len(STRATEGIES) - stored(path)
        collect(server.base_url, str(path))
        asked = questions(server)
    assert left > 0  # every one of the thirty was killed at work
    assert lost > 0
    assert len(asked) == TEXTS * len(STRATEGIES) == stored(path)
    assert sum(number - 1 for number in asked.values()) == lost
    with Cache(path) as cache:
        assert cache.rows("PRAGMA integrity_check") == [("ok",)]
        assert cache.rows("SELECT count(*) FROM claims") == [(0,)]
