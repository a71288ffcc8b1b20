"""Writing so that a failure leaves what was there before, and nothing half-written beside it."""

import os
import stat

import pytest
from disk import full_disk
from railmatch.classifier.storage import folder_replaced_atomically, write_text_atomically


def test_a_text_is_written_in_utf8_and_readable_by_others(tmp_path):
    path = tmp_path / "new" / "folder" / "report.json"
    write_text_atomically(path, "Grüße 👋\n")
    assert path.read_bytes() == "Grüße 👋\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_text_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old and longer")
    write_text_atomically(path, "new")
    assert path.read_text() == "new"


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "long enough to be flushed before it fails " * 1000 + "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_text(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with full_disk(4096), pytest.raises(OSError, match="too large"):
        write_text_atomically(path, "x" * 100_000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole(tmp_path):
    folder = tmp_path / "models" / "prompt"
    with folder_replaced_atomically(folder) as temporary:
        (temporary / "one").write_text("1")
        assert not folder.exists()
    assert (folder / "one").read_text() == "1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "prompt"
    folder.mkdir()
    (folder / "old").touch()
    with folder_replaced_atomically(folder) as temporary:
        (temporary / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_stop_half_way_leaves_the_old_folder(tmp_path, stop):
    folder = tmp_path / "prompt"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(stop), folder_replaced_atomically(folder) as temporary:
        (temporary / "half").touch()
        raise stop
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_a_move_that_fails_leaves_the_old_folder(tmp_path, monkeypatch, failing, stop):
    folder = tmp_path / "prompt"
    folder.mkdir()
    (folder / "old").touch()
    replace, moves = os.replace, []

    def fails_once(source, target):
        moves.append(source)
        if len(moves) == failing:
            raise stop("the move failed")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(stop, match="the move failed"), folder_replaced_atomically(folder) as temporary:
        (temporary / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_an_old_folder_that_cannot_be_removed_is_no_failure(tmp_path, monkeypatch):
    folder = tmp_path / "prompt"
    folder.mkdir()
    (folder / "old").touch()

    def refuses(path, *, dir_fd=None):
        raise PermissionError(f"{path} cannot be removed")

    with folder_replaced_atomically(folder) as temporary:
        (temporary / "new").touch()
        monkeypatch.setattr(os, "unlink", refuses)
    assert [path.name for path in folder.iterdir()] == ["new"]


def test_a_stop_half_way_leaves_no_new_folder(tmp_path):
    with pytest.raises(RuntimeError), folder_replaced_atomically(tmp_path / "prompt"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
