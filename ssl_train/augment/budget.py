"""What a model may take in all runs on one cache, and when that is used up."""

from ..recipe import EndpointSettings
from .cache import Cache, Spent
from .spending import cost


class Budget:
    """Watches the limits of the recipe, over what this and other runs on the cache have booked."""

    def __init__(self, settings: EndpointSettings, cache: Cache) -> None:
        self._settings = settings
        self._cache = cache
        limits = settings.budget
        self._unlimited = (limits.max_calls, limits.max_tokens, limits.max_cost) == (None, None, None)

    def reached(self, in_flight: int) -> str | None:
        """Name the limit that one more call beside ``in_flight`` others would pass, None where there is room.

        What a call will take is not known before; it is reckoned as what those before it took on average.
        """
        if self._unlimited:
            return None
        limits, model = self._settings.budget, self._settings.model
        spent = self._cache.spent(model)
        share = (spent.calls + in_flight + 1) / max(1, spent.calls)
        passed = (
            ("max_calls", limits.max_calls, spent.calls + in_flight + 1),
            ("max_tokens", limits.max_tokens, (spent.input_tokens + spent.output_tokens) * share),
            ("max_cost", limits.max_cost, (self._cost(spent) or 0.0) * share),
        )
        for name, limit, needed in passed:
            if limit is not None and needed > limit:
                return (
                    f"augment.endpoint.budget.{name} is {limit:g}, which model {model!r} has used up in all runs on "
                    "this cache: the other texts were not asked about"
                )
        return None

    def _cost(self, spent: Spent) -> float | None:
        return cost(spent.input_tokens, spent.output_tokens, self._settings)
