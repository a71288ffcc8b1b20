"""Put RailMatch into a guardrails app: what a config's ``config.py`` calls as its ``init``."""

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nemoguardrails import LLMRails

from ..classifier.errors import SettingsError
from .actions import GuardActions
from .audit import AuditLog
from .guard import Guard, Observer, shared_guard
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
    guard.observers = tuple(_observers(settings, guard, tracing=app.config.tracing.enabled))
    tasks = tasks_in_use(app.config)
    for task in tasks:
        guard.check(task)
    if not tasks:
        _log.warning("no rail calls %s: RailMatch checks nothing", " or ".join(ACTIONS.values()))
    if app.config.colang_version != "1.0" and "response" in tasks and not app.config.rails.output.flows:
        # else stream_async would not refuse to stream what it does not check
        app.config.rails.output.flows = ["output rails"]
    actions = GuardActions(guard, context_turns=settings.context_turns)
    app.register_action(actions.check_input, ACTIONS["prompt"])
    app.register_action(actions.check_output, ACTIONS["response"])
    for check in guard.checks.values():
        _log.info("%ss are checked with %s at threshold %.4f", check.task, check.model, check.threshold)


@cache
def _audit_log(file: Path, text: bool) -> AuditLog:
    """Open a log once a process: every app of a server is set up anew, and none says when it is done with it."""
    return AuditLog(file, text=text)


def _observers(settings: RailSettings, guard: Guard, *, tracing: bool) -> Iterator[Observer]:
    """Make what is told every verdict; nothing that a setting does not ask for is imported.

    Raises:
        SettingsError: the audit log or the metrics cannot be had.
    """
    if settings.audit_file is not None:
        yield _audit_log(Path(settings.audit_file).absolute(), settings.audit_text)
    if settings.metrics is not None:
        try:
            from .metrics import served_metrics
        except ImportError as error:
            raise SettingsError("metrics needs prometheus-client: pip install 'railmatch[metrics]'") from error
        metrics = served_metrics(settings.metrics)
        metrics.watch(guard.checks.values())
        yield metrics
    if tracing:
        try:
            from .spans import record_span
        except ImportError as error:
            raise SettingsError("tracing needs opentelemetry-api: pip install 'nemoguardrails[tracing]'") from error
        yield record_span
