"""What a model may take in all runs on one cache, and when that is used up."""

from collections.abc import Mapping, Sequence

from ..recipe import EndpointSettings
from .cache import Cache, Spent
from .spending import cost, tokens


class Budget:
    """Watches the limits of the recipe, over what this and other runs on the cache have booked."""

    def __init__(self, settings: EndpointSettings, cache: Cache) -> None:
        self._settings = settings
        self._cache = cache
        limits = settings.budget
        self._unlimited = (limits.max_calls, limits.max_tokens, limits.max_cost) == (None, None, None)

    def reached(self, in_flight: int, messages: Sequence[Mapping[str, str]]) -> str | None:
        """Name the limit that one more call with ``messages`` beside ``in_flight`` others would pass, if any.

        What a call will take is not known before; it is reckoned as what those before it took on average, and without
        any as what is sent and as much again for the answer.
        """
        if self._unlimited:
            return None
        limits, model = self._settings.budget, self._settings.model
        spent = self._cache.spent(model)
        took = spent if spent.calls else self._expected(messages)
        share = (spent.calls + in_flight + 1) / took.calls
        passed = (
            ("max_calls", limits.max_calls, spent.calls + in_flight + 1),
            ("max_tokens", limits.max_tokens, (took.input_tokens + took.output_tokens) * share),
            ("max_cost", limits.max_cost, (self._cost(took) or 0.0) * share),
        )
        for name, limit, needed in passed:
            if limit is not None and needed > limit:
                return (
                    f"augment.endpoint.budget.{name} is {limit:g}, which model {model!r} has used up in all runs on "
                    "this cache: the other texts were not asked about"
                )
        return None

    def _expected(self, messages: Sequence[Mapping[str, str]]) -> Spent:
        incoming = sum(tokens(message["content"]) for message in messages)
        return Spent(1, incoming, min(incoming, self._settings.max_tokens))

    def _cost(self, spent: Spent) -> float | None:
        return cost(spent.input_tokens, spent.output_tokens, self._settings)
