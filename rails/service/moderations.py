"""``/v1/moderations`` in OpenAI's schema, so that ``moderations.create`` of the ``openai`` client works.

What differs: (1) there is one category, ``harmful``, because the models know no finer ones; (2) ``model`` may be
``prompt`` or ``response``; OpenAI's own names mean the default; (3) with ``prompt`` the input is judged as the response
to it; (4) each result has ``railmatch``, our verdict; (5) a text that cannot be judged is an error.
"""

import re
from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from ..verdict import Verdict
from .about import about, model_name
from .judging import SharedService, TaskOfPath, TextsRequest, chosen_task, judge

router = APIRouter()

_NAMES_OF_OPENAI = re.compile(r"(omni|text)-moderation-[\w.-]+")


@router.post("/v1/moderations")
@router.post("/{task}/v1/moderations")
async def moderate(request: TextsRequest, of_path: TaskOfPath, service: SharedService) -> dict[str, Any]:
    """Judge the input."""
    name = None if request.model is None or _NAMES_OF_OPENAI.fullmatch(request.model) else request.model
    task = chosen_task(of_path, name, request.prompt)
    verdicts = await judge(service, task, request.input, request.prompt)
    return {
        "id": f"modr-{uuid4().hex}",
        "model": model_name(verdicts[0]),
        "results": [_result(verdict) for verdict in verdicts],
    }


def _result(verdict: Verdict) -> dict[str, Any]:
    flagged = verdict.decision == "block"
    return {
        "flagged": flagged,
        "categories": {"harmful": flagged},
        "category_scores": {"harmful": verdict.score},
        "category_applied_input_types": {"harmful": ["text"]},
        "railmatch": about(verdict),
    }
