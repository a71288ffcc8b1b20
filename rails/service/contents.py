"""``/api/v1/text/contents``, the detectors API of FMS, which NeMo Guardrails' ``hf_classifier`` rail speaks as ``fms``.

What differs: (1) the header ``detector-id`` may be left out, and is ``prompt`` or ``response``; (2) with
``detector_params.prompt`` the contents are judged as responses to it; (3) a content that cannot be judged is an error.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from ..verdict import Verdict
from .about import about
from .judging import SharedService, TaskOfPath, Texts, chosen_task, judge

router = APIRouter()


class DetectorParams(BaseModel):
    """Attributes: threshold in [0, 1], the model's own when left out; prompt, what the contents answer."""

    threshold: float | None = Field(default=None, ge=0, le=1)
    prompt: Texts | None = None


class ContentsRequest(BaseModel):
    """Attributes: contents, the texts; detector_params."""

    contents: list[str]
    detector_params: DetectorParams = DetectorParams()


@router.post("/api/v1/text/contents")
@router.post("/{task}/api/v1/text/contents")
async def detect(
    request: ContentsRequest,
    of_path: TaskOfPath,
    service: SharedService,
    detector_id: Annotated[str | None, Header()] = None,
) -> list[list[dict[str, Any]]]:
    """Give a list for each content: empty where it is clean."""
    params = request.detector_params
    task = chosen_task(of_path, detector_id, params.prompt)
    verdicts = await judge(service, task, request.contents, params.prompt, threshold=params.threshold)
    return [_detections(text, verdict) for text, verdict in zip(request.contents, verdicts, strict=True)]


def _detections(text: str, verdict: Verdict) -> list[dict[str, Any]]:
    """The whole text is what was found: the models do not say where in it the harm is."""
    if verdict.decision == "allow":
        return []
    return [
        {
            "start": 0, "end": len(text), "text": _sendable(text), "detection": "harmful", "detection_type": "harmful",
            "score": verdict.score, "metadata": about(verdict),
        }
    ]  # fmt: skip


def _sendable(text: str) -> str:
    """Replace half surrogate pairs, which JSON can hold as escapes and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
