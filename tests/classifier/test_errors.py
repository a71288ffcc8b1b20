"""What another library's error says, in one line."""

from railmatch.classifier.errors import reason


def test_the_reason_is_one_line_and_never_empty() -> None:
    assert reason(ValueError("  first line \nsecond line")) == "first line"
    assert reason(KeyError()) == "KeyError"
