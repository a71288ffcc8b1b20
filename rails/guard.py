"""Guard: check prompts and responses from Python, with or without an event loop."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from ..classifier.engine.batching import Engine
from ..classifier.engine.choose import choose_scorer
from ..classifier.errors import EngineError, ModelError, SettingsError
from ..classifier.inputs import Exchange
from ..classifier.model import SETTINGS_FILE, Device, SafetyClassifier, choose_device
from ..classifier.normalising import undo_evasion
from ..classifier.tasks import Task
from .question import Check, Question
from .settings import DEADLINE, Fail, RailSettings
from .verdict import Verdict

__all__ = ["Check", "Guard", "Observer", "Verdict", "load_checks", "shared_guard"]

Observer = Callable[[Verdict, Exchange], None]
"""Is told every verdict, with what was judged."""

_log = logging.getLogger(__name__)


class Guard:
    """Checks prompts and responses; any number of threads and event loops may share one.

    >>> guard = Guard.load("models")                                          # doctest: +SKIP
    >>> guard.check_prompt("How do I bake bread?").decision                   # doctest: +SKIP
    'allow'
    """

    def __init__(
        self,
        checks: Mapping[Task, Check],
        *,
        fail: Fail = "closed",
        deadline: float | None = DEADLINE,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Take the models by task.

        Args:
            checks: the models.
            fail: what ``stops`` says of an undecided verdict.
            deadline: seconds after which a text counts as not judged; None waits as long as it takes.
            observers: told every verdict with its text, such as an audit log; one that fails is logged, and the
                verdict stands.
        """
        self.checks = dict(checks)
        self.fail: Fail = fail
        self.deadline = deadline
        self.observers = tuple(observers)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: Device = "auto",
        fail: Fail = "closed",
        deadline: float | None = DEADLINE,
        cores: int | None = None,
        prompt_threshold: float | None = None,
        response_threshold: float | None = None,
        observers: Sequence[Observer] = (),
    ) -> Self:
        """Load the models of a folder with ``prompt/`` and ``response/``, either of which may be missing, or one model.

        Args:
            folder: where the models are.
            device: ``auto`` takes the GPU when there is one.
            fail: ``closed``: ``stops`` is true of a text that could not be judged; ``open``: it is false.
            deadline: seconds after which a text counts as not judged, whatever the engine is doing; None waits as long
                as it takes.
            cores: how many cores of a CPU an int8 form takes; all when left out.
            prompt_threshold: replaces the threshold stored with the model, in (0, 1].
            response_threshold: the same for responses.
            observers: told every verdict with its text.

        Raises:
            ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
            SettingsError: a threshold is no probability above 0.
        """
        thresholds: dict[Task, float | None] = {"prompt": prompt_threshold, "response": response_threshold}
        _require_probabilities(thresholds)
        checks = load_checks(Path(folder), device, cores)
        return cls(_with_thresholds(checks, thresholds), fail=fail, deadline=deadline, observers=observers)

    def check_prompt(self, text: str) -> Verdict:
        """Judge what a user wrote.

        Raises:
            ModelError: no model of prompts was loaded.
            TypeError: the text is not a string.
        """
        exchange = Exchange(text)
        return self._told(self._ask("prompt", exchange).verdict(), exchange)

    def check_response(self, prompt: str, response: str) -> Verdict:
        """Judge what a model answered, together with the prompt that it answers ("" where that is not known).

        Raises:
            ModelError: no model of responses was loaded.
            TypeError: a text is not a string.
        """
        exchange = Exchange(prompt, response)
        return self._told(self._ask("response", exchange).verdict(), exchange)

    async def check_prompt_async(self, text: str) -> Verdict:
        """Judge what a user wrote, without blocking the event loop; raises as ``check_prompt``."""
        exchange = Exchange(text)
        return self._told(await self._ask("prompt", exchange).verdict_async(), exchange)

    async def check_response_async(self, prompt: str, response: str) -> Verdict:
        """Judge what a model answered, without blocking the event loop; raises as ``check_response``."""
        exchange = Exchange(prompt, response)
        return self._told(await self._ask("response", exchange).verdict_async(), exchange)

    def stops(self, verdict: Verdict) -> bool:
        """Say whether a text with this verdict must be held back: blocked, or undecided and ``fail`` is ``closed``."""
        return verdict.decision == "block" or (verdict.decision == "undecided" and self.fail == "closed")

    def check(self, task: Task) -> Check:
        """Give the model of a task.

        Raises:
            ModelError: none was loaded.
        """
        if task not in self.checks:
            loaded = ", ".join(check.model for check in self.checks.values())
            raise ModelError(
                f"no model judges a {task}: loaded were only {loaded}; train one (railmatch train RECIPE) and put it "
                f"into the models' folder as {task}/"
            )
        return self.checks[task]

    def warm_up(self) -> None:
        """Run a first forward pass through every model, and load what undoing evasion needs.

        Raises:
            EngineError: a model cannot judge. ModelError: the embedded encoder's vocabulary is not there.
        """
        undo_evasion("w a r m \N{CYRILLIC SMALL LETTER U}p")
        for check in self.checks.values():
            check.engine.warm_up()

    def close(self) -> None:
        """Answer what waits and end the engines' threads; every later check is ``undecided``."""
        for check in self.checks.values():
            check.engine.close()

    def __enter__(self) -> Self:
        """Give the guard itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the guard."""
        self.close()

    def _ask(self, task: Task, exchange: Exchange) -> Question:
        return Question(self.check(task), exchange, self.deadline)

    def _told(self, verdict: Verdict, exchange: Exchange) -> Verdict:
        for observer in self.observers:
            try:
                observer(verdict, exchange)
            except Exception:
                _log.exception("an observer of verdicts failed")
        return verdict


def load_checks(folder: Path, device: Device = "auto", cores: int | None = None) -> dict[Task, Check]:
    """Load every model of a folder and start its engine, on at most ``cores`` cores where it is an int8 form.

    Raises:
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
    """
    folders = _model_folders(folder)
    classifiers = {at: SafetyClassifier.load(at, device=device) for at in folders}
    for at, classifier in classifiers.items():
        if at != folder and at.name != classifier.task:
            raise ModelError(f"{at} holds a classifier of the {classifier.task} task; put it into {classifier.task}/")
    scorers = {at: choose_scorer(classifier, at, cores=cores) for at, classifier in classifiers.items()}
    return {
        classifier.task: Check(
            Engine(classifier, scorers[at]), classifier.task, classifier.threshold, str(at), _version(at)
        )
        for at, classifier in classifiers.items()
    }


def _version(folder: Path) -> str:
    """Give the first twelve digits of the SHA-256 of a model's weights, as ``sha256sum model.safetensors`` does."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:12]


def _model_folders(folder: Path) -> list[Path]:
    if (folder / SETTINGS_FILE).is_file():
        return [folder]
    found = [folder / task for task in get_args(Task) if (folder / task).is_dir()]
    if not found:
        raise ModelError(
            f"{folder} holds no model: neither {SETTINGS_FILE} nor a folder prompt/ or response/; train one first: "
            f"railmatch train RECIPE --out {folder / 'prompt'}"
        )
    return found


def _with_thresholds(checks: Mapping[Task, Check], thresholds: Mapping[Task, float | None]) -> dict[Task, Check]:
    """Replace the thresholds stored with the models where others are given."""
    given = {task: thresholds.get(task) for task in checks}
    return {
        task: check if (threshold := given[task]) is None else replace(check, threshold=threshold)
        for task, check in checks.items()
    }


def _require_probabilities(thresholds: Mapping[Task, float | None]) -> None:
    """Refuse thresholds that would block everything or nothing, before engines are started that nobody would close."""
    for task, threshold in thresholds.items():
        if threshold is not None and not 0 < threshold <= 1:
            raise SettingsError(
                f"the threshold for a {task} is {threshold:g}: it must be above 0 and at most 1, as the scores are; "
                "leave it out to use the model's own"
            )


_LOADED: dict[tuple[int, Path, str], dict[Task, Check]] = {}
_LOADING = threading.Lock()


def shared_guard(settings: RailSettings) -> Guard:
    """Give a guard whose models are loaded and warmed up once in this process, however many configs ask for them.

    Configs that name the same folder and device share the engines; thresholds and ``fail`` remain each config's own.

    Raises:
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
        EngineError: a model cannot judge.
    """
    folder = Path(settings.models).resolve()
    key = (os.getpid(), folder, str(choose_device(settings.device)))  # a forked process has no engine threads
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = _warmed_up(load_checks(folder, settings.device))
        checks = _with_thresholds(_LOADED[key], settings.thresholds)
    return Guard(checks, fail=settings.fail, deadline=settings.deadline)


def _warmed_up(checks: dict[Task, Check]) -> dict[Task, Check]:
    guard = Guard(checks)
    try:
        guard.warm_up()
    except EngineError:
        guard.close()
        raise
    return checks
