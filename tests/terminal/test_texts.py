"""Where the text of a command comes from, and what is refused."""

import io
import sys
from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.terminal.texts import as_utf8, read_text


def put_on_stdin(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("text", ["How are you?", "", "\u05e9\u05dc\u05d5\u05dd \U0001f600", "--"])
def test_argument_is_taken_as_it_is(text: str):
    assert read_text(text, None) == text


def test_file_is_read_to_its_end_without_its_byte_order_mark(tmp_path: Path):
    file = tmp_path / "text.txt"
    file.write_bytes(b"\xef\xbb\xbf" + "Wie geht's?\r\nGrüße\x00\n".encode())
    assert read_text(None, file) == "Wie geht's?\r\nGrüße\x00\n"


@pytest.mark.parametrize(("argument", "file"), [("-", None), (None, Path("-"))])
def test_dash_is_standard_input(argument: str | None, file: Path | None, monkeypatch: pytest.MonkeyPatch):
    put_on_stdin("Grüße".encode(), monkeypatch)
    assert read_text(argument, file) == "Grüße"


@pytest.mark.parametrize(("argument", "file"), [(None, None), ("text", Path("text.txt"))])
def test_exactly_one_text_is_wanted(argument: str | None, file: Path | None):
    with pytest.raises(SettingsError) as refusal:
        read_text(argument, file)
    assert str(refusal.value) == 'Give one text: as an argument, with --file FILE, or as "-" on standard input.'


def test_file_in_another_encoding_is_refused_with_the_place(tmp_path: Path):
    file = tmp_path / "latin.txt"
    file.write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(SettingsError) as refusal:
        read_text(None, file)
    assert str(refusal.value) == f"{file} is not UTF-8 (byte 3): convert it, e.g. iconv -f latin1 -t utf-8."


def test_standard_input_in_another_encoding_is_refused(monkeypatch: pytest.MonkeyPatch):
    put_on_stdin(b"abc\xff", monkeypatch)
    with pytest.raises(SettingsError) as refusal:
        read_text("-", None)
    assert str(refusal.value) == "Standard input is not UTF-8 (byte 4): convert it, e.g. iconv -f latin1 -t utf-8."


def test_argument_that_the_shell_passed_in_another_encoding_is_refused():
    with pytest.raises(SettingsError) as refusal:
        as_utf8(b"Gr\xfc\xdfe".decode("utf-8", errors="surrogateescape"))
    assert str(refusal.value) == (
        "The text on the command line is not UTF-8 (character 3): "
        "set the terminal to UTF-8, or put the text into a UTF-8 file and name it with --file."
    )
