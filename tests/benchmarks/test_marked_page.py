"""What a benchmark found stands in a page between the marks that name the benchmark."""

from pathlib import Path

import click
import pytest
from marked_page import marks_of, write_between


def test_marks_name_the_benchmark():
    assert marks_of("speed.py") == (
        "<!-- written by benchmarks/speed.py --page: begin -->",
        "<!-- written by benchmarks/speed.py --page: end -->",
    )


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path):
    page = tmp_path / "page.md"
    (begin, end), (other, _) = marks_of("speed.py"), marks_of("size.py")
    page.write_text(f"before\n{begin}\nold \\1\n{end}\nafter\n{other}\n")
    write_between(page, "speed.py", "| new \\1 |")
    assert page.read_text() == f"before\n{begin}\n\n| new \\1 |\n\n{end}\nafter\n{other}\n"


def test_a_page_without_the_marks_is_refused_and_stays(tmp_path: Path):
    page = tmp_path / "page.md"
    begin, end = marks_of("speed.py")
    page.write_text(f"{end}\n{begin}\n")
    with pytest.raises(click.ClickException) as caught:
        write_between(page, "speed.py", "x")
    assert caught.value.message == (
        f"{page} has no place for the tables; write these lines into it:\n{begin}\n{end}"
    )
    assert page.read_text() == f"{end}\n{begin}\n"
