"""Put RailMatch into a guardrails app: what a config's ``config.py`` calls as its ``init``."""

import logging

from nemoguardrails import LLMRails

from .actions import GuardActions
from .guard import shared_guard
from .settings import ACTIONS, RailSettings, tasks_in_use

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
    for task in tasks_in_use(app.config):
        guard.check(task)
    if not tasks_in_use(app.config):
        _log.warning("no input or output rail calls %s: RailMatch checks nothing", " or ".join(ACTIONS.values()))
    actions = GuardActions(guard)
    app.register_action(actions.check_input, ACTIONS["prompt"])
    app.register_action(actions.check_output, ACTIONS["response"])
    for check in guard.checks.values():
        _log.info("%ss are checked with %s at threshold %.4f", check.task, check.model, check.threshold)
