"""Write what a benchmark found into a page of the docs, between two marks that name the benchmark."""

import re
from pathlib import Path

import click


def marks_of(benchmark: str) -> tuple[str, str]:
    """Give the lines between which a benchmark, named by its file, writes."""
    begin, end = (f"<!-- written by benchmarks/{benchmark} --page: {where} -->" for where in ("begin", "end"))
    return begin, end


def write_between(page: Path, benchmark: str, text: str) -> None:
    """Write ``text`` between the marks of a benchmark, in place of what was there.

    Raises:
        ClickException: the page has no such marks.
    """
    begin, end = marks_of(benchmark)
    old = page.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marked.search(old):
        raise click.ClickException(f"{page} has no place for the tables; write these lines into it:\n{begin}\n{end}")
    page.write_text(marked.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", old), encoding="utf-8")
