"""Who may look and decide, and that a decision is on the disk before it is called saved."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from railmatch.ssl_train.synthesis.decisions import add_decisions, read_decisions
from railmatch.ssl_train.synthesis.files import read_rows
from railmatch.ssl_train.synthesis.review_server import LARGEST_BODY, TOKEN_HEADER, Review, ReviewServer
from small_synthesis import HOSTILE, write_synthesis


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_synthesis(tmp_path)


@pytest.fixture
def server(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(Review(folder)) as running:
        yield running


def ask(
    server: ReviewServer, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    host, _, given = server.address.removeprefix("http://").partition("/#")
    sent = {TOKEN_HEADER: given if token is None else token} | {name.title(): text for name, text in headers.items()}
    connection = http.client.HTTPConnection(host, timeout=10)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, content, sent)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    found = json.loads(said) if "json" in (answer.getheader("Content-Type") or "") else said.decode()
    return answer.status, dict(answer.getheaders()), found


def test_the_doubtful_records_are_shown_in_their_order_with_what_was_decided(folder: Path, server: ReviewServer):
    add_decisions(folder, {"id-alarm": "drop"})
    status, _, found = ask(server, "/records")
    assert status == 200
    assert [record["prompt"] for record in found["records"]] == ["alarm", HOSTILE, "split"]
    assert found["records"][0] == {
        "id": "id-alarm", "why": "the classifier says harmful (0.97)", "label": "unharmful",
        "category": "theft & more", "judges": "3 of 3", "score": 0.97, "prompt": "alarm",
    }  # fmt: skip
    assert found["decisions"] == {"id-alarm": "drop"}


def test_everything_is_shown_on_request_with_the_doubtful_first(folder: Path):
    shown = Review(folder, everything=True).as_dict()["records"]
    assert [record["prompt"] for record in shown] == ["alarm", HOSTILE, "split", "fine"]
    assert shown[-1]["why"] == ""


def test_a_decision_is_saved_and_honoured_before_the_answer(folder: Path, server: ReviewServer):
    assert ask(server, "/decisions", {"id": "id-alarm", "decision": "harmful"})[0] == 200
    assert read_decisions(folder) == {"id-alarm": "harmful"}
    assert {row["id"]: row["label"] for row in read_rows(folder / "data.jsonl")}["id-alarm"] == "harmful"
    assert ask(server, "/decisions", {"id": "id-alarm", "decision": "undo"})[2] == {"saved": "undo"}
    assert read_decisions(folder) == {}


def test_decisions_that_a_crash_left_unhonoured_are_honoured_at_the_next_start(folder: Path):
    add_decisions(folder, {"id-split": "drop"})
    assert Review(folder).left == 3
    assert "id-split" not in {row["id"] for row in read_rows(folder / "data.jsonl")}


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON", [], b"[" * 5000, {"id": "id-alarm"}, {"id": "id-alarm", "decision": "perhaps"},
        {"id": "id-none", "decision": "drop"},
    ],
    ids=lambda body: str(body)[:30],
)  # fmt: skip
def test_what_is_no_decision_is_refused_and_not_saved(folder: Path, server: ReviewServer, body: Any):
    status, _, said = ask(server, "/decisions", body)
    assert status == 400
    assert said["error"]
    assert read_decisions(folder) == {}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"token": ""}, "open the address that railmatch review has printed, with all that stands behind the #"),
        ({"token": "guessed"}, "open the address that railmatch review has printed, with all that stands behind the #"),
        ({"origin": "http://evil.example"}, "this address is for a page on this machine"),
        ({"origin": "null"}, "this address is for a page on this machine"),
        ({"host": "evil.example"}, "this address is for a page on this machine"),
    ],
    ids=["no token", "wrong token", "another site", "no site", "a name that leads here"],
)
@pytest.mark.parametrize("body", [None, {"id": "id-alarm", "decision": "drop"}], ids=["read", "decide"])
def test_nobody_else_reads_or_decides(folder: Path, server: ReviewServer, body: Any, headers: dict[str, str], why: str):
    status, _, said = ask(server, "/records" if body is None else "/decisions", body, **headers)
    assert (status, said) == (403, {"error": why})
    assert read_decisions(folder) == {}


def test_the_page_itself_holds_no_text_and_no_token(server: ReviewServer):
    token = server.address.partition("#")[2]
    for path in ("/", "/review.css", "/review.js"):
        status, headers, page = ask(server, path, token="")
        assert status == 200
        assert "alarm" not in page
        assert token not in page
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/../../../pyproject.toml", "/data.jsonl", "/review.py", "/records/"])
def test_nothing_else_is_served(server: ReviewServer, path: str):
    assert ask(server, path)[0] == 404


def test_a_long_body_is_not_read(server: ReviewServer):
    assert ask(server, "/decisions", b"x" * (LARGEST_BODY + 1))[0] == 413


def test_it_listens_on_this_machine_alone_and_with_a_new_token_each_time(folder: Path, server: ReviewServer):
    with ReviewServer(Review(folder)) as other:
        assert {address.split(":")[1] for address in (server.address, other.address)} == {"//127.0.0.1"}
        assert server.address.partition("#")[2] != other.address.partition("#")[2]
