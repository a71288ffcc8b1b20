"""A real chat-completions server on 127.0.0.1 that misbehaves on request; a stand-in for any endpoint or main LLM.

    with ChatServer(lambda messages: "an answer") as server:
        ...  # base_url=server.base_url; then look at server.calls, server.requests, server.keys

    ChatServer(answer, faults=first(2, Fault("busy", retry_after="0")))      # the first two calls get a 429
    ChatServer(answer, faults=always(Fault("broken")))                        # every call gets a 500
    ChatServer(answer, faults=lambda number, body: Fault("hang") if "slow" in str(body) else None)

It speaks POST /v1/chat/completions, in one piece and as a stream of events, GET /v1/models and, with ``batches``, the
files and batches of batch_endpoint.py. Usage counts words.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from batch_endpoint import Batches

Messages = list[dict[str, Any]]

MODEL = "test-model"
REFUSAL = "I'm sorry, but I can't help with that request."


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    ``busy`` 429 with ``retry_after`` where given; ``broken`` 500; ``hang`` silent for ``seconds``; ``not_json`` a web
    page with status 200; ``not_chat`` JSON of another protocol; ``empty`` an empty answer; ``refusal`` an answer that
    declines; ``filtered`` an answer with finish reason content_filter; ``cut`` one that broke off at max_tokens;
    ``unauthorised`` 401; ``forbidden`` 403; ``no_model`` and ``no_address`` 404; ``rejected`` 400; ``content_filter``
    400 of a filter; ``wants_max_completion_tokens`` 400 until the limit has its newer name; ``no_funds`` 429 for want
    of credit; ``dropped`` the connection is closed without a word; ``wrapped_error`` an error with status 200.
    """

    kind: Literal[
        "busy",
        "broken",
        "hang",
        "not_json",
        "not_chat",
        "empty",
        "refusal",
        "filtered",
        "cut",
        "unauthorised",
        "forbidden",
        "no_model",
        "no_address",
        "rejected",
        "content_filter",
        "wants_max_completion_tokens",
        "no_funds",
        "dropped",
        "wrapped_error",
    ]
    retry_after: str | None = None
    seconds: float = 30.0


Faults = Callable[[int, dict[str, Any]], Fault | None]
"""Gets the number of the call, from 1, and its body."""


def always(fault: Fault) -> Faults:
    """Every call misbehaves."""
    return lambda number, body: fault


def first(count: int, fault: Fault) -> Faults:
    """The first ``count`` calls misbehave."""
    return lambda number, body: fault if number <= count else None


def after(count: int, fault: Fault) -> Faults:
    """All calls but the first ``count`` misbehave."""
    return lambda number, body: fault if number > count else None


ERRORS: dict[str, tuple[int, str, str | None]] = {
    "busy": (429, "Rate limit reached, slow down", "rate_limit_exceeded"),
    "broken": (500, "The server had an error", None),
    "unauthorised": (401, "Incorrect API key provided", "invalid_api_key"),
    "forbidden": (403, "This key may not use the model", None),
    "no_model": (404, "The model does not exist", "model_not_found"),
    "no_address": (404, "Not Found", None),
    "rejected": (400, "This text is not to my taste", "bad_request"),
    "content_filter": (400, "The response was filtered by the content policy", "content_filter"),
    "wants_max_completion_tokens": (
        400,
        "Unsupported 'max_tokens': use 'max_completion_tokens'",
        "unsupported_parameter",
    ),
    "no_funds": (429, "You exceeded your current quota", "insufficient_quota"),
}


class ChatServer:
    """The server, running inside its ``with`` block; ``calls`` counts requests for completions, failed ones too."""

    def __init__(
        self,
        answer: Callable[[Messages], str] = lambda messages: "Fine, thank you.",
        *,
        faults: Faults = lambda number, body: None,
        latency_s: float = 0.0,
        port: int = 0,
        batches: Batches | None = None,
    ) -> None:
        self.answer = answer
        self.batches = batches
        self.faults = faults
        self.latency_s = latency_s
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.times: list[float] = []
        self.most_at_once = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._at_once = 0
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.chat = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        """The address for ``base_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def calls(self) -> int:
        """How many completions were asked for."""
        return len(self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def begin(self, body: dict[str, Any], key: str | None) -> Fault | None:
        """Note a call and say how it is to misbehave."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            self.times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            number = len(self.requests)
        return self.faults(number, body)

    def end(self) -> None:
        """Note that a call is over."""
        with self._lock:
            self._at_once -= 1


class _Server(ThreadingHTTPServer):
    chat: ChatServer
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer leaves in one packet: no waiting for an acknowledgement between its parts

    def log_message(self, format: str, *values: object) -> None:
        """Write nothing on standard error."""

    def do_GET(self) -> None:
        if self.path.rstrip("/").endswith("/models"):
            self._send_json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif (batches := self.server.chat.batches) and (sent := batches.get(self.path)):
            self._send(*sent)
        else:
            self._send_json(404, {"error": {"message": "Not Found", "code": None}})

    def do_POST(self) -> None:
        chat = self.server.chat
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/chat/completions"):
            kind = self.headers["Content-Type"]
            sent = chat.batches.post(self.path, kind, content, chat.answer) if chat.batches else None
            self._send(*sent) if sent else self._send_json(404, {"error": {"message": "Not Found", "code": None}})
            return
        body = json.loads(content)
        fault = chat.begin(body, (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None)
        try:
            chat.closing.wait(chat.latency_s)
            self._reply(body, fault)
        finally:
            chat.end()

    def _reply(self, body: dict[str, Any], fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if fault and kind == "hang":
            self.server.chat.closing.wait(fault.seconds)
        if kind in ("hang", "dropped"):
            self.close_connection = True
        elif kind == "wants_max_completion_tokens" and "max_completion_tokens" in body:
            self._send_completion(body, self.server.chat.answer(body["messages"]), "stop")
        elif fault and kind in ERRORS:
            status, message, code = ERRORS[kind]
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._send_json(status, {"error": {"message": message, "type": "error", "code": code}}, headers)
        elif kind == "not_json":
            self._send(200, "text/html", b"<html><body>Welcome to our shop</body></html>")
        elif kind == "not_chat":
            self._send_json(200, {"greeting": "hello"})
        elif kind == "wrapped_error":
            self._send_json(200, {"error": {"message": "The provider is away", "code": 502}})
        else:
            answers = {"empty": "", "refusal": REFUSAL, "filtered": ""}
            text = answers[kind] if kind in answers else self.server.chat.answer(body["messages"])
            self._send_completion(body, text, {"filtered": "content_filter", "cut": "length"}.get(kind or "", "stop"))

    def _send_completion(self, body: dict[str, Any], text: str, finish: str) -> None:
        asked = sum(len(str(message.get("content")).split()) for message in body["messages"])
        usage = {"prompt_tokens": asked, "completion_tokens": len(text.split())}
        usage["total_tokens"] = sum(usage.values())
        frame = {"id": "chatcmpl-1", "created": 1, "model": body.get("model", MODEL)}
        if body.get("stream"):
            self._send_events(frame, body, text, finish, usage)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        self._send_json(200, {**frame, "object": "chat.completion", "choices": [choice], "usage": usage})

    def _send_events(
        self, frame: dict[str, Any], body: dict[str, Any], text: str, finish: str, usage: dict[str, int]
    ) -> None:
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": word}, None) for word in text.splitlines(keepends=True)]
        deltas.append(({}, finish))
        events = [{"choices": [{"index": 0, "delta": d, "finish_reason": f}]} for d, f in deltas]
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append({"choices": [], "usage": usage})
        lines = [json.dumps({**frame, "object": "chat.completion.chunk", **event}) for event in events]
        data = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])
        self._send(200, "text/event-stream", data.encode())

    def _send_json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), headers)

    def _send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
