"""What sections of recipes have in common: they are frozen and strict, and some name a policy."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every section: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _saying_something(policy: str) -> str:
    if not policy.strip():
        raise ValueError("must say what counts as harmful, or name a .txt or .md file that does")
    return policy


Policy = Annotated[str, AfterValidator(_saying_something)]
"""What counts as harmful, in the user's own words, or the path of a file that says so."""
