"""Guardrails configs for the tests: what ``railmatch init`` writes, with changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from nemoguardrails import RailsConfig
from railmatch.rails.scaffold import write_config

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def config_folder(trigger_models: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a config for models that decide by one word, with ``change`` made to its content, and give its folder."""

    def write(change: Change = lambda content: None, *, models: Path = trigger_models, **options: Any) -> Path:
        folder = tmp_path / "guardrails"
        write_config(folder, models, force=True, **options)
        content = yaml.safe_load((folder / "config.yml").read_text())
        change(content)
        (folder / "config.yml").write_text(yaml.safe_dump(content))
        return folder

    return write


@pytest.fixture
def config(config_folder: Callable[..., Path]) -> Callable[..., RailsConfig]:
    """Write a config as ``config_folder`` does, and read it as NeMo Guardrails does."""
    return lambda *changes, **options: RailsConfig.from_path(str(config_folder(*changes, **options)))
