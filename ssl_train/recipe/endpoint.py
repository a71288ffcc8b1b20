"""The LLM endpoint that a recipe names, and what it may take."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from .sections import Section


class BudgetSettings(Section):
    """What a model may take in all runs on one cache: answered calls, tokens in and out, and cost by the prices.

    No further call is begun where it would pass a limit; what is missing then stays missing. Null is no limit.
    """

    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)


class BatchSettings(Section):
    """Questions are handed over in batches (``/v1/batches``), which take up to a day and cost less.

    The first ``trial`` questions of each kind are asked directly, so that a wrong model or key shows at once. A batch
    has at most so many ``requests``, and at most ``at_once`` are under way; it is looked at every ``poll_s`` seconds,
    and a run gives up waiting after ``wait_h`` hours without losing it.
    """

    trial: int = Field(default=50, ge=0)
    requests: int = Field(default=10_000, ge=1, le=50_000)
    at_once: int = Field(default=1, ge=1, le=100)
    poll_s: float = Field(default=30.0, gt=0)
    wait_h: float = Field(default=26.0, gt=0)


class EndpointSettings(Section):
    """An OpenAI-compatible chat-completions endpoint; the key is read from the environment variable named here.

    ``max_concurrency`` is the most calls in flight; there are fewer while the endpoint cannot keep up.
    ``max_retries`` is how often one call is tried again; ``backoff_s`` the first wait, which doubles each time, unless
    the server names one. ``timeout_s`` is for a whole call. A ``temperature`` or ``top_p`` of null is the model's own.
    Prices are in any currency per million tokens; with them, estimates and reports name a cost. Calls that cost no more
    than ``ask_above`` are made without asking; null always asks. With ``batch`` most questions wait for their answer in
    a file, where the endpoint offers that; the prices are then those of batches.
    """

    base_url: str | None = None
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    max_concurrency: int = Field(default=32, ge=1, le=1024)
    timeout_s: float = Field(default=60.0, gt=0)
    max_retries: int = Field(default=6, ge=0)
    backoff_s: float = Field(default=0.5, ge=0)
    temperature: float | None = Field(default=0.7, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1024, ge=16)
    price_input: float | None = Field(default=None, ge=0)
    price_output: float | None = Field(default=None, ge=0)
    budget: BudgetSettings = BudgetSettings()
    ask_above: float | None = Field(default=None, ge=0)
    batch: BatchSettings | None = None

    @model_validator(mode="after")
    def _has_prices_for_amounts(self) -> Self:
        named = {"budget.max_cost": self.budget.max_cost, "ask_above": self.ask_above}
        amounts = [name for name, amount in named.items() if amount is not None]
        if amounts and (self.price_input is None or self.price_output is None):
            raise ValueError(f"{amounts[0]} is an amount of money: set price_input and price_output, too")
        return self

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        if base_url is None:
            return None
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:
            raise ValueError("must be a whole address, such as http://localhost:8000/v1")
        return base_url
