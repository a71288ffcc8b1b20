"""What the three protocols share: which model a request means, and judging its texts or saying that it could not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, get_args

from fastapi import Depends, Request
from pydantic import BaseModel

from ...classifier.tasks import Task
from ..guard import Guard
from ..verdict import Verdict
from .refusal import Refused
from .state import Service

Texts = str | list[str]
"""One text or several, as OpenAI and vLLM take them."""

TASKS: tuple[Task, ...] = get_args(Task)


class TextsRequest(BaseModel):
    """The body of a request to ``/v1/moderations`` or ``/classify``.

    Attributes:
        input: one text or several.
        model: which model judges.
        prompt: what the input answers, one text for all or one for each.
    """

    input: Texts
    model: str | None = None
    prompt: Texts | None = None


async def shared_service(request: Request) -> Service:
    """Give what the endpoints share."""
    service: Service = request.app.state.service
    return service


async def task_of_path(request: Request) -> Task | None:
    """Read the task that an address begins with, as in ``/response/classify``; None where it does not.

    Raises:
        Refused: it begins with something else.
    """
    name = request.path_params.get("task")
    return None if name is None else _task(name)


SharedService = Annotated[Service, Depends(shared_service)]
TaskOfPath = Annotated[Task | None, Depends(task_of_path)]


def chosen_task(of_path: Task | None, name: str | None, prompt: Texts | None) -> Task:
    """Say which model a request means: the address, a model's name and a prompt beside the text may each tell.

    Raises:
        Refused: the name is of no model, or they contradict each other.
    """
    told = {of_path, None if name is None else _task(name), None if prompt is None else "response"} - {None}
    if len(told) > 1:
        raise Refused(400, "contradiction", "the address, the model's name and the field prompt name different models")
    return next((task for task in TASKS if task in told), "prompt")


async def judge(
    service: Service, task: Task, texts: Texts, prompt: Texts | None = None, *, threshold: float | None = None
) -> list[Verdict]:
    """Judge every text of a request; there is a verdict for each, or none for any.

    Args:
        service: what the endpoints share.
        task: whether the texts are prompts or responses.
        texts: what to judge.
        prompt: of responses, what they answer: one for all, or one for each.
        threshold: in [0, 1], replaces that of the model.

    Raises:
        Refused: a text could not be judged, which is never told as allowed; there is no such model; or too many texts.
    """
    guard = _guard(service, task, threshold)
    wanted = [texts] if isinstance(texts, str) else texts
    prompts = [prompt or ""] * len(wanted) if prompt is None or isinstance(prompt, str) else prompt
    _refuse_wrong_number(service, wanted, prompts)
    asked = [
        guard.check_prompt_async(text) if task == "prompt" else guard.check_response_async(before, text)
        for text, before in zip(wanted, prompts, strict=True)
    ]
    verdicts = await asyncio.gather(*asked)
    for verdict in verdicts:
        if verdict.decision == "undecided":
            raise Refused(503, "undecided", f"a text could not be judged: {verdict.reason}", retry_after=1)
    return verdicts


def _task(name: str) -> Task:
    for task in TASKS:
        if name == task:
            return task
    raise Refused(404, "model_not_found", f"there is no model {name!r}; there are {' and '.join(TASKS)}")


def _guard(service: Service, task: Task, threshold: float | None) -> Guard:
    """Give the guard, with another threshold where one is given."""
    guard = service.loaded_guard()
    if task not in guard.checks:
        raise Refused(404, "model_not_found", f"no model of {task}s is served here")
    if threshold is None:
        return guard
    check = replace(guard.checks[task], threshold=threshold)
    return Guard({task: check}, fail=guard.fail, deadline=guard.deadline, observers=guard.observers)


def _refuse_wrong_number(service: Service, texts: Sequence[str], prompts: Sequence[str]) -> None:
    most = service.settings.max_texts
    if not 0 < len(texts) <= most:
        raise Refused(400, "number_of_texts", f"{len(texts)} texts: a request holds 1 to {most}")
    if len(prompts) != len(texts):
        raise Refused(400, "number_of_prompts", f"{len(prompts)} prompts for {len(texts)} texts")
