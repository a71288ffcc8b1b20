"""Write a guardrails config for a models' folder: what ``railmatch init`` does.

The folder ``config/guardrails``, or ``config/guardrails_colang_2``, is copied, with its models, main model and rails
filled in.
"""

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from ..classifier.errors import ModelError, SettingsError
from ..classifier.model_settings import SETTINGS_FILE, read_settings
from ..classifier.storage import write_text_atomically
from ..classifier.tasks import Task

Colang = Literal["1", "2"]
_FOLDERS: dict[Colang, str] = {"1": "guardrails", "2": "guardrails_colang_2"}
_FILES: dict[Colang, tuple[str, ...]] = {
    "1": ("config.yml", "config.py", "railmatch.co"),
    "2": ("config.yml", "config.py", "main.co", "railmatch.co"),
}
_RAIL: dict[Task, str] = {"prompt": "input", "response": "output"}


def write_config(
    target: Path,
    models: Path,
    *,
    main_model: str = "gpt-4o-mini",
    base_url: str = "https://api.openai.com/v1",
    colang: Colang = "1",
    force: bool = False,
) -> list[Path]:
    """Write a guardrails config that checks what the models judge, and give the files written.

    Files that are there already with the same content are left as they are.

    Args:
        target: the config's folder; made where it is missing.
        models: folder with ``prompt/`` and ``response/``, either of which may be missing, or with one model.
        main_model: the chat model that answers.
        base_url: its endpoint, which speaks OpenAI's protocol.
        colang: the version of Colang that the flows are written in; in 2, NeMo does not stream what is checked.
        force: replace files that are there already.

    Raises:
        ModelError: ``models`` holds no model, or a damaged one.
        SettingsError: a file is there already, with other content.
        OSError: the target cannot be written.
    """
    source = files("railmatch.config") / _FOLDERS[colang]
    contents = {target / name: (source / name).read_text("utf-8") for name in _FILES[colang]}
    judged = _tasks(models)
    contents[target / "config.yml"] = _filled_in(
        contents[target / "config.yml"].replace(f"config/{_FOLDERS[colang]}", target.as_posix()),
        models=_path_from(target, models), main_model=main_model, base_url=base_url,
    )  # fmt: skip
    for task in get_args(Task):
        if task not in judged:
            contents = {path: _without_rail(text, _RAIL[task]) for path, text in contents.items()}
    changed = {path: text for path, text in contents.items() if not _holds(path, text)}
    taken = [str(path) for path in changed if path.exists()]
    if taken and not force:
        raise SettingsError(f"{', '.join(taken)}: there already; choose another folder, or move it away first")
    for path, text in changed.items():
        write_text_atomically(path, text)
    return list(contents)


def _tasks(models: Path) -> list[Task]:
    """List the tasks that the models' folder can judge.

    Raises:
        ModelError: there is no model, or what one says of itself cannot be read.
    """
    if (models / SETTINGS_FILE).is_file():
        return [read_settings(models).task]
    found: list[Task] = [task for task in get_args(Task) if (models / task / SETTINGS_FILE).is_file()]
    for task in found:
        read_settings(models / task)
    if not found:
        raise ModelError(
            f"{models} holds no model: neither prompt/{SETTINGS_FILE} nor response/{SETTINGS_FILE}; train one first: "
            f"railmatch train RECIPE --out {models / 'prompt'}"
        )
    return found


def _path_from(target: Path, models: Path) -> str:
    """Name the models' folder relative to the config where both lie in one folder, so that they can move together."""
    target, models = Path(os.path.abspath(target)), Path(os.path.abspath(models))  # a link keeps its own name
    for base, prefix in ((target, ""), (target.parent, "../")):
        if models.is_relative_to(base):
            return prefix + models.relative_to(base).as_posix()
    return models.as_posix()


def _filled_in(template: str, *, models: str, main_model: str, base_url: str) -> str:
    text = _with_value(template, "model", main_model)
    text = _with_value(text, "base_url", base_url)
    return _with_value(text, "models", models)


def _without_rail(text: str, rail: str) -> str:
    """Take out the section of config.yml, or the flow of main.co, that runs the rails of one side."""
    text = re.sub(rf"^  {rail}:\n(?:   .*\n)+", "", text, flags=re.MULTILINE)
    return re.sub(rf"^flow {rail} rails .*\n(?:  .*\n)+\n?", "", text, flags=re.MULTILINE)


def _with_value(text: str, key: str, value: str) -> str:
    """Replace the value of the only indented line with this key."""
    quoted = json.dumps(value, ensure_ascii=False)
    return re.sub(rf"^( +){key}: \S+", lambda found: f"{found[1]}{key}: {quoted}", text, count=1, flags=re.MULTILINE)


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8", errors="replace") == text
