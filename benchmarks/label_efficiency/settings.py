"""The recipe of a cell: minilm.yml, what the cell's row changes in it, and what ``--set`` changes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.recipe.file import load_recipe

from .cells import Cell

RECIPE = Path(__file__).parent.with_name("minilm.yml")
ROWS = Path(__file__).parent.with_name("label_efficiency.yml")

Changes = Mapping[str, Any]
"""New values by key, such as ``training.steps``."""


class Settings:
    """The settings of all cells; ``rows`` are the changes of each row of the table."""

    def __init__(self, recipe: Path = RECIPE, rows: Path = ROWS) -> None:
        """Take the recipe that all cells share, which is read for each, and read what the rows change in it."""
        self._recipe = recipe
        changes = yaml.safe_load(rows.read_text(encoding="utf-8"))
        self.rows: Mapping[str, Changes] = changes["rows"]
        self._tasks: Mapping[str, Changes] = changes["tasks"]
        self._labels: Mapping[int | str, Changes] = changes["labels"]

    def recipe(self, cell: Cell, more: Sequence[str] = ()) -> Recipe:
        """Give the recipe of a cell; ``more`` are overrides that its figures do not depend on, such as folders.

        The test examples are not in it: the benchmark reads them itself, once a cell.

        Raises:
            SettingsError: a value is not allowed.
        """
        return load_recipe(self._recipe, [*self._overrides(cell), "data.test=null", *more])

    def fingerprint(self, cell: Cell) -> str:
        """Hash all that the settings say of a cell, so that its figures are not mixed with those of other settings.

        Defaults of the recipe that no file names are not part of it.
        """
        said = self.recipe(cell).model_dump(mode="json", exclude_unset=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]

    def _overrides(self, cell: Cell) -> list[str]:
        labels = "all" if cell.labels is None else cell.labels
        changes = [
            self.rows[cell.row],
            self._tasks.get(cell.task, {}),
            self._labels.get(labels, {}),
        ]
        changed = {key: value for change in changes for key, value in change.items()}
        own = {"task": cell.task, "seed": cell.seed, "data.labels": cell.labels}
        if cell.max_votes is not None:
            own |= {"augment.max_votes": cell.max_votes, "augment.vote_choice": cell.vote_choice}
        written = [f"{key}={json.dumps(value)}" for key, value in {**changed, **own}.items()]
        return [*written, *cell.settings]
