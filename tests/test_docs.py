"""The documentation keeps up with the code: every command, every key of a recipe, every relative link."""

import inspect
import re
import runpy
from pathlib import Path

import click
import pytest
import yaml
from pydantic import BaseModel
from railmatch.cli import main
from railmatch.ssl_train.recipe import FileSource, HubSource, Recipe

ROOT = Path(__file__).parent.parent
CONTEXT = click.Context(main)
COMMANDS = main.list_commands(CONTEXT)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "config").rglob("*.md")])


def test_the_commands_are_those_of_the_contract():
    assert set(COMMANDS) >= {"train", "augment", "evaluate", "check", "init", "demo"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_effect_in_a_sentence_and_shows_an_example(name: str):
    command = main.get_command(CONTEXT, name)
    assert command is not None
    assert command.help is not None
    effect, rest = inspect.cleandoc(command.help).split("\n", maxsplit=1)
    assert effect.endswith(".")
    assert f"Example:\n\n\b\n    railmatch {name}" in rest


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_no_command_more_than_eight(name: str):
    command = main.get_command(CONTEXT, name)
    assert command is not None
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    assert len(options) <= 8


def test_command_reference_is_what_the_commands_print():
    reference = runpy.run_path(str(ROOT / "docs" / "generate.py"))["reference"]
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference(), "run make docs"
    for name in COMMANDS:
        assert f"## railmatch {name}\n" in reference()


def keys(section: type[BaseModel]) -> set[str]:
    """The keys of a section and of the sections below it."""
    found = set(section.model_fields)
    for field in section.model_fields.values():
        for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys(part)
    return found


def test_every_key_of_a_recipe_is_explained():
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^(?:\| `|#+ )(\w+)(?:` \||$)", page, re.MULTILINE))
    known = keys(Recipe) | keys(FileSource) | keys(HubSource)
    assert known - explained - {"endpoint", "id", "prompt", "response", "label"} == set()
    assert explained - known == set()


@pytest.mark.parametrize("name", ["quickstart", "cpu", "prompt", "response"])
def test_shipped_recipes_open_with_their_command_and_are_valid(name: str):
    text = (ROOT / "config" / f"{name}.yml").read_text(encoding="utf-8")
    assert text.startswith("# railmatch ")
    Recipe.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link
