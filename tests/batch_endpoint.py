"""The files and batches of the server in endpoint.py: /v1/files and /v1/batches, which end after a few looks.

with ChatServer(answer, batches=Batches(looks=2)) as server:
    ...  # then look at server.batches.made, and at server.batches.answered: how often each line was paid for

Batches(fault=lambda body: LineFault(status=429) if "slow" in str(body) else None)    # a line in the error file
Batches(ends="expired", fault=lambda body: LineFault(code="batch_expired") if ... else None)
Batches(after=lambda what: ...)    # told of every effect, before the client hears of it: to kill the client there
"""

import email
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[list[dict[str, Any]]], str]
Sent = tuple[int, str, bytes]
"""Status, kind and content of an answer."""


@dataclass(frozen=True)
class LineFault:
    """How a line of a batch fails: with the ``status`` of a call, or the ``code`` of an error without any call."""

    status: int = 0
    message: str = "it failed"
    code: str = "server_error"


@dataclass
class Batches:
    """What is offered and how it goes; ``made`` are the batches, ``answered`` counts the answers of each line."""

    looks: int = 1
    ends: str = "completed"
    fault: Callable[[dict[str, Any]], LineFault | None] = lambda body: None
    after: Callable[[str], None] = lambda what: None
    refused: str = ""
    made: list[dict[str, Any]] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._looked: Counter[str] = Counter()

    def post(self, path: str, kind: str, content: bytes, answer: Answer) -> Sent | None:
        """Take a file, or make a batch of one; None where that is no path of batches."""
        with self._lock:
            if path.endswith("/files"):
                return self._told("upload", self._upload(kind, content))
            if path.endswith("/batches"):
                return self._told("create", self._create(json.loads(content), answer))
        return None

    def get(self, path: str) -> Sent | None:
        """Show a batch, all batches, or the content of a file; None where that is no path of batches."""
        place, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        with self._lock:
            if place.endswith("/content"):
                content = self.files.get(place.split("/")[-2])
                return self._told("content", _missing() if content is None else (200, "application/jsonl", content))
            if place.endswith("/batches"):
                return self._told("list", self._page(int(query["limit"][0]), query.get("after", [""])[0]))
            if "/batches/" in place:
                return self._told("look", self._show(place.rpartition("/")[2]))
        return None

    def _told(self, what: str, sent: Sent) -> Sent:
        self.after(what)
        return sent

    def _upload(self, kind: str, content: bytes) -> Sent:
        parts = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content).get_payload()
        named = {part.get_param("name", header="content-disposition"): part for part in parts}
        assert named["purpose"].get_payload() == "batch"
        identity = f"file-{len(self.files) + 1}"
        self.files[identity] = named["file"].get_payload(decode=True)
        return _json(
            {"id": identity, "object": "file", "purpose": "batch", "filename": "x", "bytes": 1, "created_at": 1}
        )

    def _create(self, wanted: dict[str, Any], answer: Answer) -> Sent:
        assert (wanted["endpoint"], wanted["completion_window"]) == ("/v1/chat/completions", "24h")
        lines = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        identity = f"batch_{len(self.made) + 1}"
        batch = {"id": identity, "object": "batch", "created_at": 1, **wanted, "status": "in_progress"}
        if self.refused:
            batch |= {"errors": {"object": "list", "data": [{"code": "token_limit_exceeded", "message": self.refused}]}}
        else:
            self._answer(identity, lines, answer)
        batch["request_counts"] = {"total": len(lines), "completed": 0, "failed": 0}
        self.made.insert(0, batch)
        return _json(batch)

    def _answer(self, identity: str, lines: list[dict[str, Any]], answer: Answer) -> None:
        """Write the two files of a batch, in the opposite order."""
        good, bad = [], []
        for line in reversed(lines):
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            fault = self.fault(line["body"])
            if fault is None:
                good.append(_line(line, 200, _completion(line["body"], answer(line["body"]["messages"]))))
                self.answered[line["custom_id"]] += 1
            elif fault.status:
                bad.append(_line(line, fault.status, {"error": {"message": fault.message, "code": fault.code}}))
            else:
                error = {"code": fault.code, "message": fault.message}
                bad.append({"id": "1", "custom_id": line["custom_id"], "response": None, "error": error})
        for name, rows in (("output", good), ("error", bad)):
            if rows:
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                self.files[f"{identity}-{name}"] = text.encode()

    def _show(self, identity: str) -> Sent:
        batch = next((batch for batch in self.made if batch["id"] == identity), None)
        if batch is None:
            return _missing()
        self._looked[identity] += 1
        if self._looked[identity] > self.looks:
            batch["status"] = "failed" if self.refused else self.ends
            files = {f"{name}_file_id": f"{identity}-{name}" for name in ("output", "error")}
            batch |= {name: file for name, file in files.items() if file in self.files}
        return _json(batch)

    def _page(self, limit: int, after: str) -> Sent:
        names = [batch["id"] for batch in self.made]
        start = names.index(after) + 1 if after else 0
        page = self.made[start : start + limit]
        more = len(self.made) > start + limit
        return _json({"object": "list", "data": page, "last_id": page[-1]["id"] if page else None, "has_more": more})


def _line(line: dict[str, Any], status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "1", "custom_id": line["custom_id"], "response": response, "error": None}


def _completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    asked = sum(len(str(message["content"]).split()) for message in body["messages"])
    said = len(text.split())
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }  # fmt: skip


def _json(content: dict[str, Any]) -> Sent:
    return 200, "application/json", json.dumps(content).encode()


def _missing() -> Sent:
    return 404, "application/json", json.dumps({"error": {"message": "No such object", "code": "not_found"}}).encode()
