"""``/classify`` in vLLM's schema, which the ``vllm`` engine of NeMo Guardrails' ``hf_classifier`` rail speaks.

What differs: (1) ``label`` is what the verdict says at the model's own threshold, not the more probable label, so that
a client that reads the label alone decides as RailMatch does; (2) ``model`` is ``prompt`` or ``response``; (3) with
``prompt`` the input is judged as the response to it; (4) each item has ``railmatch``, our verdict; (5) there is no
``usage``, for tokens are not counted by request.
"""

import time
from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from ...classifier.tasks import LABELS
from ..verdict import Verdict
from .about import about, model_name
from .judging import SharedService, TaskOfPath, TextsRequest, chosen_task, judge

router = APIRouter()


@router.post("/classify")
@router.post("/{task}/classify")
async def classify(request: TextsRequest, of_path: TaskOfPath, service: SharedService) -> dict[str, Any]:
    """Judge the input."""
    task = chosen_task(of_path, request.model, request.prompt)
    verdicts = await judge(service, task, request.input, request.prompt)
    return {
        "id": f"classify-{uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": model_name(verdicts[0]),
        "data": [_item(index, verdict) for index, verdict in enumerate(verdicts)],
    }


def _item(index: int, verdict: Verdict) -> dict[str, Any]:
    score = verdict.score or 0.0
    label = LABELS[int(verdict.decision == "block")]
    return {
        "index": index, "label": label, "probs": [1 - score, score], "num_classes": len(LABELS),
        "railmatch": about(verdict),
    }  # fmt: skip
