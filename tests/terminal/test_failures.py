"""Every way a command can stop, as a line and an exit status."""

import errno

import click
import pytest
from click.testing import CliRunner
from railmatch.classifier.errors import DataError
from railmatch.terminal.failures import Commands


def run(failure: BaseException, name: str = "work"):
    """Run a group whose one command raises ``failure``."""

    @click.group(cls=Commands)
    def group() -> None:
        """Group."""

    @group.command(name)
    def command() -> None:
        raise failure

    return CliRunner().invoke(group, [name])


def test_known_error_is_one_line():
    result = run(DataError("data.jsonl, row 3: unknown label 'maybe'"))
    assert result.exit_code == 2
    assert result.stderr == "Error: data.jsonl, row 3: unknown label 'maybe'\n"
    assert result.stdout == ""


def test_full_disk_is_one_line_with_the_file():
    result = run(OSError(errno.ENOSPC, "No space left on device", "models/prompt/model.safetensors"))
    assert result.exit_code == 2
    assert result.stderr == "Error: No space left on device: models/prompt/model.safetensors\n"


def test_operating_system_error_without_a_file():
    assert run(OSError("the socket is gone")).stderr == "Error: the socket is gone\n"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("train", "Answers already paid for are in the cache, and the same command goes on from the last checkpoint."),
        ("augment", "Answers already paid for are in the cache: the same command asks only for the others."),
        ("demo", "Models that were finished are in their folders."),
        ("check", "Nothing was changed."),
    ],
)
def test_interruption_says_what_is_kept(name: str, kept: str):
    result = run(KeyboardInterrupt(), name)
    assert result.exit_code == 130
    assert result.stderr == f"\nInterrupted. {kept}\n"


def test_a_fault_of_ours_shows_its_traceback_but_never_looks_like_a_blocked_text():
    result = run(ZeroDivisionError("a fault"))
    assert result.exit_code == 2
    assert "ZeroDivisionError: a fault" in result.stderr


def test_exit_statuses_of_commands_pass_through():
    assert run(click.exceptions.Exit(1)).exit_code == 1
    assert run(click.UsageError("no such option")).exit_code == 2


def test_a_closed_pipe_is_left_to_click():
    result = run(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert result.stderr == ""
