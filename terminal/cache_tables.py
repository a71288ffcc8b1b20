"""Show what a cache holds: counts as tables, and texts beside what a model made of them."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .tables import aligned

if TYPE_CHECKING:
    from ..ssl_train.augment.statistics import AskedFor, CacheStatistics, Example

LONGEST = 400
"""Characters of a text that are shown."""


def statistics_page(found: "CacheStatistics", *, width: int = 100) -> str:
    """Lay out counts, what was spent, and the examples, for a terminal ``width`` characters wide."""
    if not found.asked:
        return "The cache is empty."
    parts = [_counts(found.asked), _spent(found), _examples(found.examples, width)]
    return "\n\n".join(part for part in parts if part)


def printable(text: str) -> str:
    """Give a text without what would steer a terminal, cut to what is worth showing."""
    shown = "".join(mark if _is_shown(mark) else "\ufffd" for mark in text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} ..."


def _is_shown(mark: str) -> bool:
    return mark == "\n" or unicodedata.category(mark) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _counts(lines: "Sequence[AskedFor]") -> str:
    outcomes = list(dict.fromkeys(["kept", *(status for line in lines for status in line.counts)]))
    heads = ["template", "model", "answers", "share kept", *(name.replace("_", " ") for name in outcomes)]
    rows = [
        [
            printable(line.template), printable(line.model), str(line.answers),
            f"{line.counts.get('kept', 0) / line.answers:.0%}",
            *(str(line.counts.get(name, 0)) for name in outcomes),
            str(line.input_tokens), str(line.output_tokens),
        ]
        for line in lines
    ]  # fmt: skip
    return aligned([[*heads, "tokens in", "tokens out"], *rows])


def _spent(found: "CacheStatistics") -> str:
    rows = [
        [printable(model), str(took.calls), str(took.input_tokens), str(took.output_tokens), f"{took.cost:.2f}"]
        for model, took in found.spent.items()
    ]
    return aligned([["model", "calls", "tokens in", "tokens out", "cost"], *rows]) if rows else ""


def _examples(examples: "Sequence[Example]", width: int) -> str:
    if not examples:
        return ""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("outcome", "text", "answer", show_lines=True, expand=True)
    for example in examples:
        alike = "" if example.similarity is None else f"\nsimilarity {example.similarity:.2f}"
        cells = (f"{example.template.partition('@')[0]}\n{example.status}{alike}", example.text, example.answer)
        # As Text, because square brackets in a cell would be read as markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()
