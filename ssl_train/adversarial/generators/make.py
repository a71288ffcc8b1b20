"""Make the generator that a recipe names."""

from collections.abc import Callable
from pathlib import Path

from ....classifier.errors import SettingsError
from ...data.records import find_path, load_rewrites
from ...memory import Batch
from ..fluency import Score
from ..instructions import Instructions
from ..patience import Patience
from ..recipe import HardenRecipe
from . import Generator
from .best_of_n import BestOfN
from .endpoint import EndpointWriter
from .none import NoAttacks


def make_generator(
    recipe: HardenRecipe, patience: Patience, say: Callable[[str], None], base: Path | None = None
) -> tuple[Generator, Score | None]:
    """Make a recipe's generator, and what measures fluency where it samples a language model.

    Raises:
        SettingsError: an instruction cannot be read, or reinforcement learning is not installed.
        ModelError: the language model cannot be used. DataError: recorded variants cannot be read.
    """
    settings = recipe.generator
    if settings.name == "none":
        return NoAttacks(), None
    instructions = Instructions(recipe.task, settings.instructions, base)
    if settings.name == "endpoint":
        recorded = load_rewrites(find_path(settings.recorded, recipe.task, base)) if settings.recorded else {}
        return EndpointWriter(settings, instructions, recorded, cache=recipe.cache, patience=patience), None
    return _sampling(recipe, instructions, say)


def _sampling(
    recipe: HardenRecipe, instructions: Instructions, say: Callable[[str], None]
) -> tuple[Generator, Score | None]:
    from .causal import CausalWriter  # only now: a fault of the recipe should be told before a model is loaded

    settings = recipe.generator
    batch = Batch(settings.batch, "texts", say)
    if settings.name == "rl":
        try:
            from .grpo import GrpoWriter
        except ImportError as error:
            raise SettingsError(
                f"generator.name is 'rl', which needs {error.name}: pip install 'railmatch[adversarial]', or set "
                "generator.name to best_of_n"
            ) from error
        rl = GrpoWriter(settings, instructions, device=recipe.device, seed=recipe.seed, say=say)
        return rl, rl.fluency
    writer = CausalWriter.load(settings.model or "", settings.template, device=recipe.device, batch=batch)
    return BestOfN(writer, instructions, settings), writer.fluency
