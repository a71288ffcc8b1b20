"""Which of RailMatch's actions a guardrails config really calls, in Colang 1 and Colang 2."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..classifier.tasks import Task

if TYPE_CHECKING:
    from nemoguardrails import RailsConfig

ACTIONS: dict[Task, str] = {"prompt": "railmatch_check_input", "response": "railmatch_check_output"}
"""The action that judges each task; flows call it by this name, in Colang 2 as RailmatchCheckInputAction and so on."""

_NAMES = {"RailmatchCheckInputAction": "railmatch_check_input", "RailmatchCheckOutputAction": "railmatch_check_output"}


def tasks_in_use(config: "RailsConfig") -> list[Task]:
    """List the tasks whose action one of the config's rails calls, of whatever kind the rail is."""
    rails = config.rails
    listed = (*rails.input.flows, *rails.output.flows, *rails.retrieval.flows, *rails.tool_input.flows)
    called = called_actions(config, listed)
    return [task for task, action in ACTIONS.items() if action in called]


def called_actions(config: "RailsConfig", rails: tuple[str, ...]) -> set[str]:
    """Name the actions that these rails call, themselves or through other flows.

    In Colang 2 the flows ``input rails`` and ``output rails`` are rails, too.
    """
    if config.colang_version == "1.0":
        names = {flow["id"]: set(_called(flow)) for flow in config.flows}
        begin = set(map(_without_parameters, rails))
    else:
        names = {flow.name: set(_mentioned(flow)) for flow in config.flows}
        begin = {*map(_without_parameters, rails), "input rails", "output rails"}
    reached = _reachable(names, begin)
    return {action for name, action in _NAMES.items() if {name, action} & reached}


def first_action(config: "RailsConfig", rail: str) -> str | None:
    """Name the first action of a Colang 1 rail itself, which is all of it that NeMo runs on a stream; None if none."""
    for flow in config.flows:
        if flow["id"] == _without_parameters(rail):
            return next((element["action_name"] for element in flow["elements"] if "action_name" in element), None)
    return None


def _without_parameters(name: str) -> str:
    """Give a flow's name alone: that of 'look $twice=1' and of 'look(twice=1)' is 'look'."""
    return re.split(r"\s*[$(]", name)[0]


def _reachable(names: Mapping[str, set[str]], begin: set[str]) -> set[str]:
    """Follow the names that flows hold."""
    reached: set[str] = set()
    waiting = set(begin)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= names.get(name, set()) - reached
    return reached


def _called(flow: Any) -> Iterator[str]:
    """Find the actions and the flows that a Colang 1 flow calls."""
    for element in flow["elements"]:
        if "action_name" in element:
            yield element["action_name"]
        elif "flow_name" in element:
            yield _without_parameters(element["flow_name"])


def _mentioned(flow: Any) -> list[str]:
    """Find the names in a Colang 2 flow: its elements are nested objects of many kinds that all print names."""
    return re.findall(r"name='([^']+)'", str(flow.elements))
