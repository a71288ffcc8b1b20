"""Which actions a config calls: those of its rails of every kind, and in Colang 2 whatever they can reach."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nemoguardrails import RailsConfig
from railmatch.rails.in_use import ACTIONS, called_actions, tasks_in_use

INPUT, OUTPUT = ACTIONS["prompt"], ACTIONS["response"]


def test_tasks_in_use_are_those_of_the_rails_in_the_config(config: Callable[..., RailsConfig]) -> None:
    assert tasks_in_use(config()) == ["prompt", "response"]
    without_output = config(lambda content: content["rails"].pop("output"))
    assert tasks_in_use(without_output) == ["prompt"]


@pytest.mark.parametrize("kind", ["retrieval", "tool_input"])
def test_rails_on_chunks_and_tools_use_the_model_of_prompts(config: Callable[..., RailsConfig], kind: str) -> None:
    flow = {"retrieval": "railmatch check retrieval", "tool_input": "railmatch check tool input"}[kind]
    only = config(lambda content: content.update(rails={kind: {"flows": [flow]}}))
    assert tasks_in_use(only) == ["prompt"]


def test_only_the_rails_asked_about_count(config: Callable[..., RailsConfig]) -> None:
    loaded = config()
    assert called_actions(loaded, ()) == set()
    called = called_actions(loaded, ("railmatch check output",))  # those of NeMo that it calls are in it, too
    assert OUTPUT in called
    assert INPUT not in called
    assert called_actions(loaded, ("no such flow",)) == set()


def test_in_colang_2_flows_are_followed_to_the_action(tmp_path: Path) -> None:
    flows = Path(__file__).parents[2] / "rails" / "colang_2" / "railmatch.co"
    (tmp_path / "railmatch.co").write_text(flows.read_text())
    (tmp_path / "config.yml").write_text("colang_version: 2.x\n")
    (tmp_path / "main.co").write_text("""
import core
import nemoguardrails.colang.v2_x.library.guardrails

flow main
  match RestEvent()

flow input rails $input_text
  my own checks

flow my own checks
  railmatch check input

flow never called
  railmatch check output
""")
    assert tasks_in_use(RailsConfig.from_path(str(tmp_path))) == ["prompt"]
    (tmp_path / "main.co").write_text("import core\nflow main\n  match RestEvent()\n")
    assert tasks_in_use(RailsConfig.from_path(str(tmp_path))) == []


def test_flows_of_colang_1_are_followed_through_other_flows(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("models: []\nrails: {input: {flows: [my rail $strict=True]}}\n")
    flows = Path(__file__).parents[2] / "rails" / "colang_1" / "railmatch.co"
    (tmp_path / "railmatch.co").write_text(flows.read_text())
    (tmp_path / "mine.co").write_text("""
define subflow my rail
  if $strict
    do my checks(twice=True)

define subflow my checks
  do my rail
  do railmatch check input

define subflow never called
  do railmatch check output
""")
    assert tasks_in_use(RailsConfig.from_path(str(tmp_path))) == ["prompt"]
