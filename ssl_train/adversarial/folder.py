"""The folder of a run: every stage of every round is a file or folder, written whole or not at all.

OUT/run.json                  what the rounds depend on
OUT/rounds/1/candidates.jsonl what the generator wrote
OUT/rounds/1/attacks.jsonl    the same with scores, and why what was not kept was not
OUT/rounds/1/generator/       what the generator learnt
OUT/rounds/1/model/           the classifier that learnt from it
OUT/rounds/1/training.json    what a report of that one is made of, with scores.json
OUT/rounds/1/figures.json     what that one does
OUT/model/                    the best classifier
OUT/hardening.json, hardening.html
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError, SettingsError
from ...classifier.storage import write_text_atomically


class RunFolder:
    """Knows where the stages of a run lie, and reads and writes them."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Take the folder; ``fingerprint`` is of everything that the rounds depend on.

        Raises:
            SettingsError: the folder holds a run of other settings, or something else.
        """
        self.folder = folder
        self._claim(fingerprint)

    def _claim(self, fingerprint: str) -> None:
        file = self.folder / "run.json"
        if file.exists():
            if _read_json(file).get("fingerprint") != fingerprint:
                raise SettingsError(
                    f"{self.folder} holds rounds of another recipe, classifier or version; name another folder with "
                    "--out, or remove this one"
                )
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise SettingsError(f"{self.folder} holds something else than rounds; name another folder with --out")
        else:
            write_text_atomically(file, json.dumps({"fingerprint": fingerprint}) + "\n")

    @property
    def model(self) -> Path:
        """Give the place of the best classifier."""
        return self.folder / "model"

    def round(self, number: int) -> Path:
        """Give the folder of a round."""
        return self.folder / "rounds" / str(number)

    def rows(self, number: int, name: str, make: Callable[[], Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Read a table of a round, which is made and written where it is not there yet.

        Raises:
            DataError: the file is damaged. OSError: it cannot be written.
        """
        file = self.round(number) / f"{name}.jsonl"
        if not file.exists():
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in make())
            write_text_atomically(file, "".join(lines))
        try:
            return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read ({error}); remove it, and it is made anew") from None

    def facts(self, number: int, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Read what is known of a round, which is found out and written where it is not there yet.

        Raises:
            DataError: the file is damaged. OSError: it cannot be written.
        """
        file = self.round(number) / f"{name}.json"
        if not file.exists():
            write_text_atomically(file, json.dumps(make(), indent=2) + "\n")
        return _read_json(file)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); remove it, and it is made anew") from None
    return found if isinstance(found, dict) else {}
