"""The LLM endpoint asked for hard variants: needs no GPU; or variants of that kind that a file has recorded.

Every answer is kept in the cache, so what was paid for once is never asked again.
"""

from collections.abc import Sequence
from contextlib import nullcontext

from ....classifier.errors import EndpointDownError, EndpointError
from ....classifier.inputs import Exchange
from ....classifier.tasks import LABELS
from ...augment.rewrites import Recorded, RewriteSet, collect_rewrites, estimate
from ...augment.spending import Estimate
from ...data.records import Record
from ...progress import Advance
from ...recipe import AugmentSettings
from ...synthesis.desk import LOST_SHARE
from ..attack import Author, Candidate, Seed
from ..instructions import Instructions
from ..patience import Patience
from ..recipe import GeneratorSettings
from . import Generator


class EndpointWriter(Generator):
    """Gives the recorded variants of a seed, and asks for the rest of its budget where there is somebody to ask."""

    def __init__(
        self,
        settings: GeneratorSettings,
        instructions: Instructions,
        recorded: Recorded,
        *,
        cache: str,
        patience: Patience,
    ) -> None:
        """Take what is asked and where it is kept; ``recorded`` are variants by the seeds' ids."""
        self._settings = settings
        self._instructions = instructions
        self._recorded = recorded
        self._cache = cache
        self._patience = patience

    def propose(
        self, seeds: Sequence[Seed], texts_a_seed: int, *, round_seed: int, advance: Advance
    ) -> list[Candidate]:
        """Give at most ``texts_a_seed`` variants of each seed, the recorded ones first."""
        candidates = [each for seed in seeds for each in self._recorded_of(seed, texts_a_seed)]
        advance(len(candidates))
        if self._settings.endpoint is None:
            return candidates
        asked = self._ask(seeds, texts_a_seed, advance)
        model = self._settings.endpoint.model
        for seed in seeds:
            author = Author("endpoint", model, self._instructions.version(seed))
            room = texts_a_seed - len(self._recorded_of(seed, texts_a_seed))
            candidates += [Candidate(seed, rewrite.prompt, author) for rewrite in asked.get(seed.id, [])[:room]]
        return candidates

    def estimate(self, seeds: Sequence[Seed], texts_a_seed: int) -> Estimate:
        """Reckon what asking for variants of seeds would take; nothing is asked."""
        found = Estimate(0, 0, 0, 0.0)
        if self._settings.endpoint is None:
            return found
        for label, records in self._records(seeds).items():
            found += estimate(records, "prompt", self._augment(label, texts_a_seed))
        return found

    def _recorded_of(self, seed: Seed, most: int) -> list[Candidate]:
        """List what was recorded of a seed: of a pair its second half, which is what is attacked."""
        found = [rewrite for rewrite in self._recorded.get(seed.id, ()) if rewrite is not None]
        texts = [rewrite.prompt if rewrite.response is None else rewrite.response for rewrite in found]
        return [Candidate(seed, text, Author("endpoint", template="recorded")) for text in texts[:most]]

    def _ask(self, seeds: Sequence[Seed], texts_a_seed: int, advance: Advance) -> dict[str, list[Exchange]]:
        """Ask for variants, harmful and unharmful seeds by an instruction each; give them by the seeds' ids."""
        found: dict[str, list[Exchange]] = {}
        for label, records in self._records(seeds).items():
            settings = self._augment(label, texts_a_seed)

            def ask(records: list[Record] = records, settings: AugmentSettings = settings) -> dict[str, list[Exchange]]:
                progress = lambda description, total: nullcontext(advance)  # noqa: E731 - one bar for the whole round
                return _answered(collect_rewrites(records, "prompt", settings, progress=progress), len(records))

            found |= self._patience(ask, "generator")
        return found

    def _records(self, seeds: Sequence[Seed]) -> dict[int, list[Record]]:
        """Give what is attacked of each class's seeds as texts of their own, since a response is rewritten alone."""
        by_label = {label: [seed for seed in seeds if seed.label == label] for label in range(len(LABELS))}
        return {
            label: [Record(seed.id, Exchange(seed.text)) for seed in some] for label, some in by_label.items() if some
        }

    def _augment(self, label: int, texts_a_seed: int) -> AugmentSettings:
        return AugmentSettings(
            strategy=[str(self._instructions.files[label])],
            endpoint=self._settings.endpoint,
            variants=texts_a_seed,
            cache=self._cache,
        )


def _answered(found: RewriteSet, seeds: int) -> dict[str, list[Exchange]]:
    """Give the variants by the seeds' ids.

    Raises:
        EndpointDownError: many questions have no answer. EndpointError: the budget does not suffice.
    """
    if found.stopped:
        raise EndpointError(f"{found.stopped}; raise it and run again: what was answered is stored")
    failed = found.counts["failed"]
    if failed > LOST_SHARE * found.counts["asked"]:
        raise EndpointDownError(
            f"{failed} variants of {seeds} seeds were not answered: see to the endpoint and run again, what was "
            "answered is stored"
        )
    return found.rewrites
