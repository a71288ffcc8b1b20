"""The instructions an LLM gets for a rewrite or a vote: files a user can read, with the text set in as data.

A template file looks like this, and everything between the two section lines and after the second one is sent as it
stands, except that ``{text}`` becomes the text between its markers, and ``{open}`` and ``{close}`` name these markers:

    version: 1

    --- system ---
    What is to be done, and the rules.

    --- user ---
    Rewrite the text between {open} and {close}.

    {text}

In the instructions for votes ``{policy}`` becomes the user's policy, and of a response ``{prompt}`` its prompt between
the same markers; in those for a comparison ``{rewrite}`` becomes the rewrite of the text.
"""

import difflib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ...classifier.errors import SettingsError
from ...classifier.tasks import Task
from ..places import first_there, places_of, tried
from ..recipe import LOCAL

SHIPPED = Path(__file__).parent / "templates"

_LAYOUT = re.compile(
    r"\ufeff?version: *(?P<version>\d+) *\n"
    r"\s*--- *system *--- *\n(?P<system>.*?)\n"
    r"--- *user *--- *\n(?P<user>.*)",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(r"\{(text|open|close|policy|prompt|rewrite)\}")


@dataclass(frozen=True, slots=True)
class Markers:
    """The two lines that fence a text off as data."""

    open: str
    close: str

    @classmethod
    def around(cls, text: str) -> "Markers":
        """Choose markers that ``text`` cannot close: they hold a hash of it, and another one should it hold that."""
        attempt = 0
        while True:
            tag = hashlib.sha256(f"{attempt}:{text}".encode("utf-8", "replace")).hexdigest()[:12]
            if tag not in text:
                return cls(f"<<<TEXT {tag}>>>", f"<<<END {tag}>>>")
            attempt += 1

    def fenced(self, text: str) -> str:
        """Put ``text`` between the two lines."""
        return f"{self.open}\n{text}\n{self.close}"


@dataclass(frozen=True, slots=True)
class Template:
    """One instruction for one kind of text; ``fingerprint`` changes with every change of its words."""

    name: str
    version: int
    system: str
    user: str
    fingerprint: str

    def messages(
        self, text: str, *, prompt: str | None = None, policy: str | None = None, rewrite: str | None = None
    ) -> list[dict[str, str]]:
        """Write the chat messages about ``text``: beside its ``prompt``, by a ``policy``, or on its ``rewrite``."""
        given = {"prompt": prompt, "text": text, "rewrite": rewrite}
        data = {name: part for name, part in given.items() if part is not None}
        markers = Markers.around("\n".join(data.values()))
        values = {name: markers.fenced(part) for name, part in data.items()}
        values |= {"open": markers.open, "close": markers.close}
        values |= {} if policy is None else {"policy": policy}

        def fill(part: str) -> str:
            return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), part)

        return [{"role": "system", "content": fill(self.system)}, {"role": "user", "content": fill(self.user)}]


def parse_template(content: str, name: str, origin: str) -> Template:
    """Read a template from the ``content`` of the file ``origin``.

    Raises:
        SettingsError: the version line or a section is missing, or ``{text}`` does not stand once, in the user section.
    """
    layout = _LAYOUT.fullmatch(content)
    if layout is None:
        raise SettingsError(
            f"template {origin}: it must open with a line 'version: 1', then hold a line '--- system ---' with the "
            "rules below it and a line '--- user ---' with the request below it"
        )
    system, user = layout["system"].strip(), layout["user"].strip()
    if user.count("{text}") != 1 or "{text}" in system:
        raise SettingsError(
            f"template {origin}: '{{text}}' must stand once, below '--- user ---': the text to rewrite goes there"
        )
    fingerprint = hashlib.sha256(content.encode("utf-8")).hexdigest()[:16]
    return Template(name, int(layout["version"]), system, user, fingerprint)


def load_template(strategy: str, part: Task, base: Path | None = None) -> Template:
    """Find the template of a strategy for one part of an exchange, its prompt or its response.

    ``strategy`` is a name shipped with RailMatch, or the path of a ``.txt`` file from the current folder, else from
    ``base``. ``{part}`` in the path stands for the part, so that prompts and responses may have a file each.

    Raises:
        SettingsError: there is no such template, or it is not laid out as one.
    """
    file = _shipped(strategy, part) if not strategy.endswith(".txt") else _users(strategy, part, base)
    return _read(file, f"{part}/{strategy_name(strategy)}")


def load_vote_template(task: Task) -> Template:
    """Give the shipped instructions for a vote on a prompt or on a response."""
    return _read(SHIPPED / f"vote_{task}.txt", f"vote/{task}")


def load_comparison_template(part: Task) -> Template:
    """Give the shipped instructions for a judgement whether a rewrite keeps what its text says."""
    return _read(SHIPPED / f"same_{part}.txt", f"same/{part}")


def _read(file: Path, name: str) -> Template:
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"template {file}: cannot be read as UTF-8 text ({error})") from error
    return parse_template(content, name, str(file))


def strategy_name(strategy: str) -> str:
    """Name a strategy as the cache and the reports do: a file by its name without folder and ending."""
    return Path(strategy).stem if strategy.endswith(".txt") else strategy


def shipped_strategies(part: Task) -> list[str]:
    """List the strategies that RailMatch ships for a part of an exchange."""
    return sorted(file.stem.removeprefix(f"{part}_") for file in SHIPPED.glob(f"{part}_*.txt"))


def _shipped(strategy: str, part: Task) -> Path:
    names = shipped_strategies(part)
    if strategy in names:
        return SHIPPED / f"{part}_{strategy}.txt"
    close = difflib.get_close_matches(strategy, [*names, *LOCAL], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise SettingsError(
        f"augment.strategy: no strategy {strategy!r}; {hint}RailMatch ships {', '.join(names)} and, "
        f"without endpoint, {', '.join(LOCAL)}; for one of your own give the path of a .txt file"
    )


def _users(strategy: str, part: Task, base: Path | None) -> Path:
    places = places_of(strategy.replace("{part}", part), base)
    if (found := first_there(places)) is None:
        raise SettingsError(f"augment.strategy: no template file {strategy} ({tried(places)})")
    return found
