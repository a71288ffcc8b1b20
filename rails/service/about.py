"""What the protocols say of a verdict beside their own fields: nothing of the server's folders."""

from typing import Any

from ..verdict import Verdict


def model_name(verdict: Verdict) -> str:
    """Name the model that judged, such as ``railmatch-prompt-0123456789ab``."""
    return f"railmatch-{verdict.task}-{verdict.version}"


def about(verdict: Verdict) -> dict[str, Any]:
    """Give the verdict's fields as JSON-ready values, without the model's folder."""
    return {name: value for name, value in verdict.as_dict().items() if name != "model"}
