"""Read the vote in what an LLM answered: a digit from 0 to 4, whatever little it put around it."""

import json
import re

from .quality import without_thoughts

_LINE = re.compile(
    r"(?:[^\d\n]{0,40}(?:[:=]|\bis\b) *)?"  # "Vote: ", "The answer is "
    r"(?P<vote>[0-4])"
    r"(?: *[.,;:!(-][^\d\n]*)?",  # ". ", " - probably harmful", " (probably harmful)"
    re.IGNORECASE,
)
_MARKUP = str.maketrans("\u2013\u2014", "--", "*_`#\"'<>[]{}")


def read_vote(answer: str) -> int | None:
    """Find the one vote that ``answer`` names; None where it names none, or several that differ.

    A vote stands in a line of its own, alone or behind an introduction such as ``Vote:``, or under the key ``vote`` of
    a JSON object. A digit in the middle of a sentence is none.
    """
    said = without_thoughts(answer).strip()
    named = _json_vote(said)
    if named is not None:
        return named
    lines = (_LINE.fullmatch(line.translate(_MARKUP).strip()) for line in said.splitlines())
    votes = {int(found["vote"]) for found in lines if found}
    return votes.pop() if len(votes) == 1 else None


def _json_vote(said: str) -> int | None:
    inside = re.search(r"\{[^{}]*\}", said)
    try:
        content = json.loads(inside[0]) if inside else None
    except json.JSONDecodeError:
        return None
    vote = str(content.get("vote")) if isinstance(content, dict) else ""
    return int(vote) if re.fullmatch("[0-4]", vote) else None
