"""The page on which a person decides about doubtful records: served to this machine alone, saved at each decision.

The page itself holds nothing. What it shows and what it saves needs a token, which stands in the part of the address
that browsers send to nobody. So no other site that is open in the browser can read or decide anything: it does not
know the token, a name of its own that leads here is not answered, and a request from its origin is refused.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...classifier.errors import DataError
from .decisions import CHOICES, UNDO, add_decisions, read_decisions
from .outcome import proposed, write_outcome
from .review import review_rows

TOKEN_HEADER = "X-Review-Token"
LARGEST_BODY = 10_000
SHOWN = ("id", "why", "label", "category", "judges", "score", "prompt", "response")

_PAGES = {"/": "review.html", "/review.css": "review.css", "/review.js": "review.js"}
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Review:
    """The records of a data set's folder that a person looks at, and what is decided about them."""

    def __init__(self, folder: Path, *, everything: bool = False) -> None:
        """Read the doubtful records, or ``everything``, and honour decisions that a crash left unhonoured.

        Raises:
            DataError: there is no data set in the folder, or a file of it is damaged.
        """
        self._folder = folder
        self._everything = everything
        self._lock = threading.Lock()
        self.left = int(write_outcome(folder)["records"])

    def as_dict(self) -> dict[str, Any]:
        """Give what the page shows: the records, the most doubtful first, and the decisions by id."""
        rows = review_rows(proposed(self._folder), everything=self._everything)
        shown = [{name: row[name] for name in SHOWN if name in row} for row in rows]
        return {"records": shown, "decisions": read_decisions(self._folder)}

    def decide(self, decisions: dict[str, str]) -> None:
        """Save decisions and honour them in the data set; both are on the disk when this returns.

        Raises:
            DataError: a decision is none, or there is no such record (any more).
        """
        with self._lock:
            known = {record["id"] for record in proposed(self._folder)}
            for identity, decision in decisions.items():
                if decision not in (*CHOICES, UNDO) or identity not in known:
                    raise DataError(f"no decision {decision!r} about a record {identity!r} can be made here")
            add_decisions(self._folder, decisions)
            self.left = int(write_outcome(self._folder)["records"])


class ReviewServer:
    """Serves the page of a review inside its ``with`` block, at ``address``."""

    def __init__(self, review: Review, port: int = 0) -> None:
        """Take a port, any that is free where it is 0.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.review = review
        self._server.token = secrets.token_urlsafe(32)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        own = f"127.0.0.1:{self._server.server_address[1]}"
        self._server.host = own
        self.address = f"http://{own}/#{self._server.token}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Wait until the server is ended from elsewhere, or the waiting by Ctrl-C."""
        self._thread.join()


class _Server(ThreadingHTTPServer):
    review: Review
    token: str
    host: str
    # A browser's open connection must not keep the command from ending. A decision that is cut off is not called saved.
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def log_message(self, format: str, *values: object) -> None:
        """Write nothing: the terminal is for the person."""

    def do_GET(self) -> None:
        """Give the page and its parts to anybody, and the records to whoever has the token."""
        if self._is_foreign():
            self._refuse(403, "this address is for a page on this machine")
        elif (name := _PAGES.get(self.path)) is not None:
            file = Path(__file__).parent / name
            self._send(200, _KINDS[file.suffix], file.read_bytes())
        elif self.path != "/records":
            self._refuse(404, "there is no such page")
        elif self._may():
            self._answer(self.server.review.as_dict)

    def do_POST(self) -> None:
        """Save a decision of whoever has the token."""
        if self._is_foreign():
            self._refuse(403, "this address is for a page on this machine")
        elif self.path != "/decisions":
            self._refuse(404, "there is no such page")
        elif self._may() and (body := self._body()) is not None:
            self._answer(lambda: self._decide(body))

    def _decide(self, body: bytes) -> dict[str, Any]:
        try:
            said = json.loads(body)
            identity, decision = str(said["id"]), str(said["decision"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise DataError('a decision is a JSON object {"id": ..., "decision": ...}') from None
        self.server.review.decide({identity: decision})
        return {"saved": decision}

    def _is_foreign(self) -> bool:
        """Tell whether a page of another site asks: by a name of its own that leads here, or from its origin."""
        origin = self.headers.get("Origin")
        return self.headers.get("Host") != self.server.host or origin not in (None, f"http://{self.server.host}")

    def _may(self) -> bool:
        given = self.headers.get(TOKEN_HEADER, "")
        if hmac.compare_digest(given.encode("utf-8", "replace"), self.server.token.encode()):
            return True
        self._refuse(403, "open the address that railmatch review has printed, with all that stands behind the #")
        return False

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self._refuse(413, "the decision is too long")
            return None
        return self.rfile.read(int(length))

    def _answer(self, work: Callable[[], dict[str, Any]]) -> None:
        try:
            found = work()
        except DataError as error:
            self._refuse(400, str(error))
        except OSError as error:
            self._refuse(500, f"not saved: {error}")
        else:
            self._send(200, "application/json", json.dumps(found).encode())

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True
        self._send(status, "application/json", json.dumps({"error": why}).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content)), **_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
