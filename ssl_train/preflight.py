"""What is refused before a training begins, because it would come to light only at its end."""

from pathlib import Path

import numpy as np

from ..classifier.errors import SettingsError
from ..classifier.model_folder import SETTINGS_FILE
from .data.records import find_path
from .loop.sampling import PoolSampler, require_steps
from .methods import make_method
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


def require_passes(recipe: Recipe, pool_size: int) -> None:
    """Refuse too few steps for the method, so that nobody pays for rewrites of which none would be learnt from.

    Votes, and texts left out for want of a rewrite, change how often the pool is passed, so that with these the
    training itself refuses.

    Raises:
        SettingsError: the training has too few steps.
    """
    if recipe.votes_wanted or recipe.augment.fallback == "leave_out" or pool_size == 0:
        return
    method = make_method(recipe.method, pool_size)
    if method:
        unvoted = np.zeros(pool_size, dtype=bool)
        require_steps(recipe.training, PoolSampler(unvoted, recipe.training.unlabelled_batch, recipe.seed), method)
