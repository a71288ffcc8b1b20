"""What is refused before a training begins, because it would come to light only at its end."""

from pathlib import Path

from ..classifier.errors import SettingsError
from ..classifier.model_folder import SETTINGS_FILE
from .data.records import find_path
from .recipe import HubSource, Recipe


def require_room(out: Path) -> None:
    """Refuse to train into a file, or into a folder whose content would be lost because it is no model.

    Raises:
        SettingsError: ``out`` is such a file or folder.
    """
    if not out.exists() or (out / SETTINGS_FILE).is_file():
        return
    if not out.is_dir():
        raise SettingsError(f"{out} is a file, and the model is saved as a folder; name another one with --out")
    if any(out.iterdir()):
        raise SettingsError(
            f"{out} holds files but no {SETTINGS_FILE}, so it is not a model that may be replaced; name another folder "
            "with --out, or empty this one"
        )


def require_test(recipe: Recipe, base: Path | None) -> None:
    """Look that the test files are there, so that nobody waits for a training whose test cannot be read.

    Raises:
        DataError: a file is missing.
    """
    sources = recipe.data.test if isinstance(recipe.data.test, list) else [recipe.data.test]
    for source in sources:
        if source is not None and not isinstance(source, HubSource):
            find_path(source if isinstance(source, str) else source.file, recipe.task, base)
