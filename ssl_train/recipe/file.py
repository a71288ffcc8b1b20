"""Read a recipe from YAML and write it back; every mistake is named with its file, line, key, value and cure."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ...classifier.errors import SettingsError
from . import Recipe, Section
from .problems import Place, Problem, problems_of

Kind = TypeVar("Kind", bound=Section)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also takes ``5e-5`` for a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe; each override ``section.key=value`` (the value in YAML) replaces or adds one setting.

    Raises:
        SettingsError: the file cannot be read as YAML, a key is unknown, missing or given twice, or a value is not
            allowed; all wrong settings are named together.
    """
    return load_settings(path, Recipe, overrides)


def load_settings(path: str | Path, kind: type[Kind], overrides: Sequence[str] = ()) -> Kind:
    """Read a file of settings of another ``kind`` than a training recipe, as ``load_recipe`` does.

    Raises:
        SettingsError: as for ``load_recipe``.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such recipe (looked for {Path(path).absolute()})") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8; save the file as UTF-8") from None
    settings, lines = _parse(text, str(path))
    if not isinstance(settings, dict):
        raise SettingsError(f"{path}: a recipe is a mapping of settings, which starts with 'task: prompt' or so")
    overridden = {_override(settings, written): written for written in overrides}
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        problems = problems_of(error, kind)
        raise SettingsError(_told(problems, str(path), lines, overridden)) from None


def dump_recipe(recipe: Recipe) -> str:
    """Write every setting of ``recipe``, defaults included, as YAML that ``load_recipe`` reads back to an equal one."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _parse(text: str, name: str) -> tuple[Any, dict[Place, int]]:
    """Give the value of a YAML text and the lines, from 1, in which its parts stand."""
    lines: dict[Place, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _note_lines(node, (), lines, name, set())
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        at = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{name}{at}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{name}: not valid YAML: {error}") from None


def _note_lines(node: yaml.Node, place: Place, lines: dict[Place, int], name: str, seen: set[int]) -> None:
    if id(node) in seen:  # an alias: its lines are its anchor's
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*place, number)] = item.start_mark.line + 1
            _note_lines(item, (*place, number), lines, name, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner, line = (*place, str(key.value)), key.start_mark.line + 1
            if inner in lines:
                raise SettingsError(
                    f"{name}, line {line}: the key {_dotted(inner)} is already in line {lines[inner]}; keep one of them"
                )
            lines[inner] = line
            _note_lines(value, inner, lines, name, seen)


def _override(settings: dict[str, Any], written: str) -> Place:
    """Put an override into ``settings`` and give its place."""
    key, equals, value = written.partition("=")
    place = tuple(key.strip().split("."))
    if not equals or not all(place):
        raise SettingsError(f"--set {written}: write section.key=value, such as training.steps=500")
    target = settings
    for depth, section in enumerate(place[:-1], 1):
        if target.get(section) is None:
            target[section] = {}
        target = target[section]
        if not isinstance(target, dict):
            raise SettingsError(f"--set {written}: {_dotted(place[:depth])} is {target!r}, not a section; set it whole")
    target[place[-1]] = _parse(value, f"--set {written}")[0]
    return place


def _told(problems: Sequence[Problem], name: str, lines: Mapping[Place, int], overridden: Mapping[Place, str]) -> str:
    told = []
    for problem in problems:
        key = f"{_dotted(problem.place)}: " if problem.place else ""
        told.append(f"{_where(problem.place, name, lines, overridden)}: {key}{problem.message}")
    return "\n".join(told)


def _where(place: Place, name: str, lines: Mapping[Place, int], overridden: Mapping[Place, str]) -> str:
    for override, written in overridden.items():
        shared = min(len(override), len(place))
        if shared and override[:shared] == place[:shared] and (len(place) >= len(override) or place not in lines):
            return f"--set {written}"
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return f"{name}, line {lines[place[:length]]}"
    return name


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
