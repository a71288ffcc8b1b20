"""The policy: in words, in a file, or the shipped one."""

import re
from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.augment.policy import read_policy


def test_words_are_the_policy_themselves():
    assert read_policy("  Harmful is what hurts people. ") == "Harmful is what hurts people."
    assert read_policy("First line.\nSee rules.txt") == "First line.\nSee rules.txt"


@pytest.mark.parametrize("name", ["rules.txt", "rules.md"])
def test_a_file_is_found_beside_the_recipe(tmp_path: Path, name: str):
    (tmp_path / name).write_text("\ufeffHarmful is Unfug.\n", encoding="utf-8")
    assert read_policy(name, tmp_path) == read_policy(str(tmp_path / name)) == "Harmful is Unfug."


def test_a_long_policy_is_read_to_its_end(tmp_path: Path):
    (tmp_path / "rules.txt").write_text("No harm. " * 12_000 + "The end.", encoding="utf-8")
    assert read_policy("rules.txt", tmp_path).endswith("No harm. The end.")


def test_without_a_policy_there_is_the_shipped_one():
    policy = read_policy(None)
    assert policy.startswith("Harmful is what asks for, gives or encourages:")
    assert "Not harmful is everything else" in policy


def test_a_missing_file_is_named_with_the_places(tmp_path: Path):
    with pytest.raises(SettingsError) as refused:
        read_policy("rules.txt", tmp_path)
    assert str(refused.value) == (
        f"augment.policy: no file rules.txt (looked for {Path('rules.txt').absolute()} and {tmp_path / 'rules.txt'})"
    )


def test_an_empty_file_is_refused(tmp_path: Path):
    (tmp_path / "rules.txt").write_text(" \n")
    with pytest.raises(SettingsError) as refused:
        read_policy("rules.txt", tmp_path)
    assert str(refused.value) == (
        f"augment.policy: {tmp_path / 'rules.txt'} is empty; write down there what counts as harmful"
    )


def test_a_file_of_another_encoding_is_refused(tmp_path: Path):
    (tmp_path / "rules.txt").write_bytes(b"\xe9")
    file = re.escape(str(tmp_path / "rules.txt"))
    with pytest.raises(SettingsError, match=rf"augment\.policy: {file} cannot be read as UTF-8 text \("):
        read_policy("rules.txt", tmp_path)
