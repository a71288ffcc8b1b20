"""The rails' settings: ``custom_data.railmatch`` of a guardrails config, read strictly, before any model is loaded.

NeMo Guardrails drops keys that it does not know without a word, so everything that matters is checked here.
"""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..classifier.errors import SettingsError
from ..classifier.model import Device
from ..classifier.tasks import Task
from .in_use import ACTIONS, called_actions, first_action, tasks_in_use

if TYPE_CHECKING:
    from nemoguardrails import RailsConfig

__all__ = ["DEADLINE", "Fail", "RailSettings"]

Fail = Literal["closed", "open"]
"""What the rails do with a text that could not be judged: ``closed`` blocks it, ``open`` lets it through."""

DEADLINE = 30.0
"""Seconds that a text may wait where nothing else is said, so that nobody waits for ever."""

SECTION = "railmatch"


class RailSettings(BaseModel):
    """What the rails of one guardrails config use.

    Attributes:
        models: folder with ``prompt/`` and ``response/``, or with one model itself.
        device: ``auto`` takes the GPU when there is one.
        fail: what happens to a text that could not be judged.
        deadline: seconds, at most an hour, after which a text counts as not judged, whatever the engine does; None
            waits as long as it takes.
        prompt_threshold: replaces the threshold stored with the model, in (0, 1].
        response_threshold: the same for responses.
        context_turns: how many of the user's earlier messages are judged together with the newest one, besides the
            newest alone; 0 judges it alone.
        audit_file: gets a line of JSON for every check; none is written when left out.
        audit_text: whether those lines hold the texts themselves, not their hashes.
        metrics: ``host:port`` where Prometheus finds the metrics of this process; not served when left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    models: str = "models"
    device: Device = "auto"
    fail: Fail = "closed"
    deadline: float | None = Field(default=DEADLINE, gt=0, le=3600, allow_inf_nan=False)
    prompt_threshold: float | None = Field(default=None, gt=0, le=1)
    response_threshold: float | None = Field(default=None, gt=0, le=1)
    context_turns: int = Field(default=0, ge=0)
    audit_file: str | None = None
    audit_text: bool = False
    metrics: str | None = None

    @classmethod
    def from_config(cls, config: "RailsConfig") -> Self:
        """Read the settings of a guardrails config, with ``models`` resolved to the folder that exists.

        A relative ``models`` is looked for beside the config first, then in the current folder.

        Raises:
            SettingsError: a key or a value is not allowed, the models' folder does not exist, or the config has a
                rail that NeMo would not run in time, or not at all.
        """
        section = config.custom_data.get(SECTION, {})
        if not isinstance(section, dict):
            raise SettingsError(f"custom_data.{SECTION} holds settings such as 'models: models', not {section!r}")
        _refuse_unknown_section(config.custom_data)
        try:
            settings = cls.model_validate(section)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from error
        _refuse_rails_that_nothing_runs(config)
        _refuse_unchecked_streaming(config)
        _refuse_unchecked_retrieval(config)
        return settings.model_copy(update={"models": str(_existing_folder(settings.models, config.config_path))})

    @property
    def thresholds(self) -> dict[Task, float | None]:
        """Give the thresholds that replace the models' own by task, None where it stays."""
        return {"prompt": self.prompt_threshold, "response": self.response_threshold}


def _refuse_unknown_section(custom_data: dict[str, Any]) -> None:
    """Refuse a misspelt name of the section, which would otherwise mean the defaults."""
    for name in difflib.get_close_matches(SECTION, [str(key) for key in custom_data], cutoff=0.8):
        if name != SECTION:
            raise SettingsError(f"custom_data.{name}: unknown section; did you mean custom_data.{SECTION}?")


def _explain(error: ValidationError) -> str:
    """Say of the first fault which setting it is in, what was given, and what is allowed."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"custom_data.{SECTION}.{key} is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    known = list(RailSettings.model_fields)
    close = difflib.get_close_matches(key, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else f"known settings: {', '.join(known)}"
    return f"custom_data.{SECTION}.{key}: unknown setting; {advice}"


def _refuse_unchecked_streaming(config: "RailsConfig") -> None:
    streaming = config.rails.output.streaming
    if "response" not in tasks_in_use(config) or not streaming.enabled:
        return
    if config.colang_version != "1.0":
        raise SettingsError(
            "rails.output.streaming.enabled is true, but with colang_version 2.x NeMo streams a response without "
            "running its output rails; set it to false, or use colang_version 1.0"
        )
    if streaming.stream_first:
        raise SettingsError(
            "rails.output.streaming.stream_first is true (NeMo's default), which sends the response to the user before "
            "it is checked; write 'stream_first: false' under rails.output.streaming"
        )
    if streaming.context_size < 1:
        raise SettingsError(
            "rails.output.streaming.context_size is 0, so each window of a response would be judged without what came "
            "before it; write at least 'context_size: 1' (NeMo's default is 50)"
        )
    _refuse_rails_that_streams_skip(config)


def _refuse_rails_that_streams_skip(config: "RailsConfig") -> None:
    """Refuse a rail that calls ours after an action of its own, or through another flow."""
    ours = ACTIONS["response"]
    for rail in config.rails.output.flows:
        if ours in called_actions(config, (rail,)) and first_action(config, rail) != ours:
            raise SettingsError(
                f"rails.output.flows has {rail!r}, of which NeMo runs nothing but its own first action while it "
                f"streams, and that is not {ours}; list 'railmatch check output' itself, beside it"
            )


def _refuse_rails_that_nothing_runs(config: "RailsConfig") -> None:
    """Refuse a Colang 2 config without NeMo's flows that run the rails: it would answer and check nothing."""
    runs = "run input rails"
    if config.colang_version != "1.0" and tasks_in_use(config) and runs not in {flow.name for flow in config.flows}:
        raise SettingsError(
            f"no flow {runs!r} was imported, so NeMo would run no rails: 'import guardrails' finds a folder "
            "'guardrails' in the current folder before NeMo's own; write "
            "'import nemoguardrails.colang.v2_x.library.guardrails'"
        )


def _refuse_unchecked_retrieval(config: "RailsConfig") -> None:
    """Refuse a retrieval rail that NeMo would never run: without dialog rails it retrieves and answers in one step."""
    listed = tuple(config.rails.retrieval.flows)
    dialog = config.colang_version != "1.0" or config.user_messages
    if ACTIONS["prompt"] in called_actions(config, listed) and not dialog:
        raise SettingsError(
            f"rails.retrieval.flows is {list(listed)}, but without dialog rails ('define user ...') NeMo never runs "
            "retrieval rails; list the flow under rails.input.flows, which checks the relevant_chunks of a context "
            "message before the main LLM is asked"
        )


def _existing_folder(models: str, config_path: str | None) -> Path:
    """Find the models' folder beside the config, whose path may be a file or several folders, or in the current one."""
    wanted = Path(models).expanduser()
    beside = [Path(part.strip()) for part in (config_path or "").split(",") if part.strip()]
    bases = [*(path.parent if path.is_file() else path for path in beside), Path.cwd()]
    candidates = list(dict.fromkeys((base / wanted).resolve() for base in bases))
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    tried = " and ".join(str(candidate) for candidate in candidates)
    raise SettingsError(
        f"custom_data.{SECTION}.models is {models!r}, but there is no such folder (looked for {tried}); "
        "name the folder that holds prompt/ and response/, or train the models first: railmatch demo"
    )
