"""Read the JSON object that a model was asked for, whatever little it put around it."""

import json
import re
from collections.abc import Mapping, Sequence

from ...classifier.inputs import without_surrogates
from ..augment.endpoint import Reply
from ..augment.quality import Status, without_thoughts
from ..augment.refusal import is_refusal

LONGEST_TEXT = 4000
"""Characters; a longer "message" is an essay, or the rest of an answer that lost its form."""


def judge_object(reply: Reply) -> tuple[Status, str]:
    """Say what became of an answer that had to be a JSON object, and give the object, or the answer's own words."""
    if reply.refused:
        return "refused", reply.text
    if reply.cut:
        return "too_long", reply.text
    found = read_object(reply.text)
    if found is not None:
        return "kept", json.dumps(found)  # ASCII: half an emoji, which JSON can spell, cannot be stored as text
    return ("refused" if is_refusal("", reply.text) else "unreadable"), reply.text


def read_object(answer: str) -> dict[str, object] | None:
    """Find the JSON object in ``answer``: alone, in a fence, or behind an introduction; None where there is none."""
    said = without_thoughts(answer).strip()
    for start in re.finditer(r"\{", said):
        try:
            found, _ = json.JSONDecoder().raw_decode(said, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and found:
            return found
    return None


def texts_under(found: Mapping[str, object], key: str, most: int) -> list[str]:
    """List the texts under ``key``, a list or one alone: those that are texts and not too long, at most ``most``."""
    value = found.get(key)
    listed: Sequence[object] = value if isinstance(value, list) else [value]
    texts = [without_surrogates(text).strip() for text in listed if isinstance(text, str)]
    return [text for text in texts if text and len(text) <= LONGEST_TEXT][:most]
