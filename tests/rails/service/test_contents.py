"""``/api/v1/text/contents``: the detectors API of FMS, with the client's threshold."""

from typing import Any

import pytest
from railmatch.rails.guard import Guard

from .conftest import HTTP, Running

PATH = "/api/v1/text/contents"


def detected(running: Running, path: str = PATH, **request: Any) -> list[list[dict[str, Any]]]:
    headers = {"detector-id": request.pop("detector_id")} if "detector_id" in request else {}
    answer = HTTP.post(f"{running.url}{path}", json=request, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_harmful_content_is_found_whole_and_a_clean_one_not(running: Running, guard: Guard) -> None:
    clean, (found,) = detected(running, contents=["bread", "a weapon"])
    assert clean == []
    assert found.pop("metadata")["decision"] == "block"
    assert found.pop("score") == pytest.approx(guard.check_prompt("a weapon").score)
    assert found == {
        "start": 0, "end": 8, "text": "a weapon", "detection": "harmful", "detection_type": "harmful",
    }  # fmt: skip


def test_the_clients_threshold_counts(running: Running) -> None:
    (everything,) = detected(running, contents=["bread"], detector_params={"threshold": 0})
    assert everything[0]["score"] < 0.01
    assert everything[0]["metadata"]["threshold"] == 0
    assert detected(running, contents=["bread"], detector_params={"threshold": 0.01}) == [[]]


@pytest.mark.parametrize(
    "options",
    [{"detector_id": "response"}, {"detector_params": {"prompt": "hi"}}, {"path": "/response" + PATH}],
)
def test_the_response_model_is_reached(running: Running, options: dict[str, Any]) -> None:
    (found,), clean = detected(running, contents=["i steal", "a weapon"], **options)
    assert found["metadata"]["task"] == "response"
    assert clean == []
