"""What a person sees of a long step, on a terminal and in a log."""

import io

import pytest
from railmatch.ssl_train.progress import duration, progress_line, silent, terminal_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_holds_share_rate_and_time_left():
    assert progress_line("Training", 30, 120, 10.0) == "Training: 25% (30/120, 3.0/s), 30s left"


def test_the_last_line_says_how_long_it_took():
    assert progress_line("Training", 120, 120, 187.2) == "Training: 100% (120/120, 0.6/s), done in 3m07s"


def test_before_the_first_unit_the_time_left_is_unknown():
    assert progress_line("Training", 0, 120, 6.0) == "Training: 0% (0/120, 0.0/s), time left unknown"


def test_a_line_of_a_step_whose_end_nobody_knows():
    assert progress_line("Judging", 1500, None, 90.0) == "Judging: 1500 (16.7/s) in 1m30s"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (60, "1m00s"), (3599, "59m59s"), (7500, "2h05m")]
)
def test_duration(seconds: float, text: str):
    assert duration(seconds) == text


def test_a_log_gets_plain_lines():
    log = io.StringIO()
    with terminal_progress(log, every_s=0.0)("Reading", 4) as advance:
        advance(1)
        advance(3)
    lines = log.getvalue().splitlines()
    assert lines[0].startswith("Reading: 25% (1/4, ")
    assert lines[1].startswith("Reading: 100% (4/4, ")
    assert len(lines) == 2  # the end is said once
    assert "\x1b" not in log.getvalue()


def test_a_short_step_writes_nothing_into_a_log():
    log = io.StringIO()
    with terminal_progress(log)("Reading", 4) as advance:
        advance(4)
    assert log.getvalue() == ""


def test_a_terminal_gets_a_bar_with_counts_and_time_left():
    terminal = Terminal()
    with terminal_progress(terminal)("Reading", 4) as advance:
        advance(1)
        advance(3)
    assert "Reading" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert "left" in terminal.getvalue()


def test_standard_output_stays_free_for_results(capsys: pytest.CaptureFixture[str]):
    with terminal_progress(every_s=0.0)("Reading", 1) as advance:
        advance(1)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "Reading: 100%" in seen.err


def test_silent_shows_nothing(capsys: pytest.CaptureFixture[str]):
    with silent("Reading", 2) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
