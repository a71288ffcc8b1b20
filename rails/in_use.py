"""Which of RailMatch's actions a guardrails config really calls, in Colang 1 and Colang 2."""

import re
from collections.abc import Iterator
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
    """Name the actions that these rails call; in Colang 2 those of the flows ``input rails`` and ``output rails``, too.

    In Colang 2 a flow calls others by name, and so all that can be reached counts.
    """
    names = {re.split(r"\s*[$(]", name)[0] for name in rails}  # without parameters: 'look $twice=1', 'look(twice=1)'
    if config.colang_version == "1.0":
        return {action for flow in config.flows if flow.get("id") in names for action in _actions_of(flow)}
    mentions = {flow.name: set(_mentioned(flow)) for flow in config.flows}
    reached, waiting = set(), {*names, "input rails", "output rails"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= mentions.get(name, set()) - reached
    return {_NAMES[name] for name in reached if name in _NAMES}


def _actions_of(flow: Any) -> Iterator[str]:
    for element in flow.get("elements", []):
        if isinstance(element, dict) and "action_name" in element:
            yield element["action_name"]


def _mentioned(flow: Any) -> list[str]:
    """Find the names in a Colang 2 flow: its elements are nested objects of many kinds that all print names."""
    return re.findall(r"name='([^']+)'", str(flow.elements))
