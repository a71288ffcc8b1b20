"""Put RailMatch into a guardrails app: what a config's ``config.py`` calls as its ``init``."""

import logging

from nemoguardrails import LLMRails

from .actions import GuardActions
from .guard import shared_guard
from .in_use import ACTIONS, tasks_in_use
from .settings import RailSettings

_log = logging.getLogger(__name__)


def init(app: LLMRails) -> None:
    """Read the config's settings, load and warm up its models (once a process), and register the actions.

    Raises:
        SettingsError: a setting cannot be used as written.
        ModelError: a model that one of the rails needs is missing or cannot be used.
        EngineError: a model cannot judge.
    """
    settings = RailSettings.from_config(app.config)
    guard = shared_guard(settings)
    tasks = tasks_in_use(app.config)
    for task in tasks:
        guard.check(task)
    if not tasks:
        _log.warning("no rail calls %s: RailMatch checks nothing", " or ".join(ACTIONS.values()))
    if app.config.colang_version != "1.0" and "response" in tasks and not app.config.rails.output.flows:
        app.config.rails.output.flows = [
            "output rails"
        ]  # with one listed, stream_async refuses what it would not check
    actions = GuardActions(guard, context_turns=settings.context_turns)
    app.register_action(actions.check_input, ACTIONS["prompt"])
    app.register_action(actions.check_output, ACTIONS["response"])
    for check in guard.checks.values():
        _log.info("%ss are checked with %s at threshold %.4f", check.task, check.model, check.threshold)
