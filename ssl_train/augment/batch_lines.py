"""The lines of a batch's files: a question on its way to the endpoint, and an answer, or an error, on its way back."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion

from .cache import Key
from .endpoint import Endpoint, Reply, as_reply
from .trouble import Trouble, diagnose_status, words_of

URL = "/v1/chat/completions"
"""What every question of a batch asks for, whatever the address of the endpoint."""


def line_name(key: Key) -> str:
    """Name a question within its batch, the same in every run."""
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "replace")).hexdigest()[:40]


def question_line(key: Key, body: dict[str, Any]) -> str:
    """Write the line that asks."""
    asked = {"custom_id": line_name(key), "method": "POST", "url": URL, "body": body}
    return json.dumps(asked, ensure_ascii=False) + "\n"


def read_lines(files: Iterable[Path], endpoint: Endpoint) -> Iterator[tuple[str, Reply | Trouble]]:
    """List what became of each question, by its name; lines that are none are passed over, so are read as missing."""
    for file in files:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(row, dict) and isinstance(row.get("custom_id"), str):
                    yield row["custom_id"], _outcome(row, endpoint)


def _outcome(row: dict[str, Any], endpoint: Endpoint) -> Reply | Trouble:
    response = row.get("response")
    if not isinstance(response, dict):
        return Trouble("retry", f"it said {words_of(row.get('error')) or 'nothing'}")
    status, body = response.get("status_code"), response.get("body")
    if status == 200:
        return endpoint.read(ChatCompletion.construct(**body) if isinstance(body, dict) else body)
    error = body.get("error", body) if isinstance(body, dict) else body
    said, code = words_of(error) or words_of(row.get("error")), error.get("code") if isinstance(error, dict) else None
    if status == 400 and endpoint.wants_other_name(said):
        return Trouble("retry", f"it said {said}")
    trouble = diagnose_status(int(status or 500), code, said, endpoint.settings)
    return as_reply(trouble) or trouble
