"""railmatch.json: what cannot be read is refused with the place and the cure."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from railmatch.classifier.errors import ModelError
from railmatch.classifier.model_settings import ModelSettings, read_settings


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        read_settings(folder)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b'{"task": "prompt",', "EOF while parsing a value at line 1 column 18"),
        (b"[1]", "Input should be an object"),
        (b'{"task": "prompt", "window": 64}', "pooling: Field required"),
        (b'{"task": "toxic", "window": 64, "pooling": "mean"}', "task: Input should be 'prompt' or 'response'"),
        (b'{"task": "prompt", "window": "64", "pooling": "mean"}', "window: Input should be a valid integer"),
        (
            b'{"task": "prompt", "window": 64, "pooling": "mean", "threshold": -1}',
            "threshold: Input should be greater than or equal to 0",
        ),
        (
            b'{"task": "prompt", "window": 64, "pooling": "mean", "threshold": NaN}',
            "threshold: Input should be a finite number",
        ),
        (b'{"task": "prompt", "window": 64, "pooling": "mean", "extra": 1}', "extra: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_read(tmp_path: Path, text: bytes, what: str) -> None:
    (tmp_path / "railmatch.json").write_bytes(text)
    assert refusal(tmp_path) == f"{tmp_path}/railmatch.json cannot be read: {what}; train the model again"


def test_settings_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "railmatch.json").write_bytes(b'{"task": "\xff"}')
    assert refusal(tmp_path).startswith(f"{tmp_path}/railmatch.json cannot be read: ")


def test_settings_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "railmatch.json").write_text('{"format": 2, "something": "new"}')
    assert refusal(tmp_path) == (
        f"{tmp_path}/railmatch.json was written by a newer RailMatch (format 2, this one reads 1): upgrade it: "
        "pip install --upgrade railmatch"
    )


def test_settings_cannot_be_changed_or_made_wrong() -> None:
    settings = ModelSettings(task="prompt", window=64, pooling="mean")
    with pytest.raises(ValidationError):
        settings.window = 32
    with pytest.raises(ValidationError):
        ModelSettings(task="prompt", window=0, pooling="mean")
