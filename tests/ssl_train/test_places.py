"""Where a path of a recipe leads."""

from pathlib import Path

import pytest
from railmatch.ssl_train.places import first_there, places_of, tried


def test_the_current_folder_comes_before_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, recipe = tmp_path / "here", tmp_path / "recipe"
    for folder in (here, recipe):
        folder.mkdir()
        (folder / "a.txt").touch()
    (recipe / "b.txt").touch()
    monkeypatch.chdir(here)
    assert places_of("a.txt", recipe) == [Path("a.txt"), recipe / "a.txt"]
    assert first_there(places_of("a.txt", recipe)) == Path("a.txt")
    assert first_there(places_of("b.txt", recipe)) == recipe / "b.txt"
    assert first_there(places_of("b.txt")) is None


def test_an_absolute_path_and_a_home_lead_to_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places_of(str(tmp_path / "a.txt"), Path("elsewhere")) == [tmp_path / "a.txt"]
    assert places_of("~/a.txt", Path("elsewhere")) == [tmp_path / "a.txt"]


def test_a_name_that_no_file_can_have_is_not_there():
    assert first_there(places_of("x" * 5000)) is None


def test_what_was_tried_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert tried([Path("a.txt"), Path("/b/a.txt")]) == f"looked for {tmp_path / 'a.txt'} and /b/a.txt"
