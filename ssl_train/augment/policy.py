"""The policy by which an LLM votes: in the user's own words, from a file of theirs, or the one that is shipped."""

from pathlib import Path

from ...classifier.errors import SettingsError
from ..places import first_there, places_of, tried
from .template import SHIPPED

FILE_ENDINGS = (".txt", ".md")


def read_policy(policy: str | None, base: Path | None = None) -> str:
    """Give the words of ``policy``: itself, or what stands in the file that it names.

    One line that ends in ``.txt`` or ``.md`` is a path, from the current folder, else from ``base``. Without a policy
    it is the shipped one.

    Raises:
        SettingsError: the file is missing, empty, or not UTF-8.
    """
    if policy is None:
        return _content(SHIPPED / "policy.txt")
    named = policy.strip()
    if "\n" in named or not named.endswith(FILE_ENDINGS):
        return named
    return _content(_find(named, base))


def _find(path: str, base: Path | None) -> Path:
    places = places_of(path, base)
    if (found := first_there(places)) is None:
        raise SettingsError(f"augment.policy: no file {path} ({tried(places)})")
    return found


def _content(file: Path) -> str:
    try:
        policy = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"augment.policy: {file} cannot be read as UTF-8 text ({error})") from error
    if not policy:
        raise SettingsError(f"augment.policy: {file} is empty; write down there what counts as harmful")
    return policy
