"""What calls of the endpoint take: tokens, and money where the recipe names prices."""

from dataclasses import dataclass
from typing import Self

from ..recipe import EndpointSettings

BYTES_A_TOKEN = 4
"""UTF-8 bytes in a token, roughly: English has 4 letters a token, Chinese a token a letter of 3 bytes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What asking for the answers that are not there yet would take; ``cost`` is None without prices.

    With ``at_most`` it could be less: which texts are to be asked about is not decided yet.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    at_most: bool = False

    def __add__(self, other: Self) -> "Estimate":
        """Give what both take together."""
        return Estimate(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if self.cost is None or other.cost is None else self.cost + other.cost,
            self.at_most or other.at_most,
        )


def tokens(text: str) -> int:
    """Reckon the tokens of a text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)


def cost(input_tokens: int, output_tokens: int, endpoint: EndpointSettings | None) -> float | None:
    """Give the price of so many tokens; None where the recipe does not name both prices."""
    if endpoint is None or endpoint.price_input is None or endpoint.price_output is None:
        return None
    return (input_tokens * endpoint.price_input + output_tokens * endpoint.price_output) / 1_000_000


def sampling(endpoint: EndpointSettings) -> str:
    """Name the settings that an answer depends on, for its key in the cache."""
    return f"temperature={endpoint.temperature} top_p={endpoint.top_p} max_tokens={endpoint.max_tokens}"
