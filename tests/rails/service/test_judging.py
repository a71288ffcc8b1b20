"""What all protocols refuse alike, and that an undecided text is never told as allowed by any."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from railmatch.rails.guard import Guard

from .conftest import CLOSED, HTTP, Held, Running, wait_until

BODIES = {
    "/v1/moderations": lambda text: {"input": text},
    "/classify": lambda text: {"input": text},
    "/api/v1/text/contents": lambda text: {"contents": [text]},
}


@pytest.mark.parametrize("path", BODIES)
def test_an_undecided_text_is_a_503_with_the_reason(start: Callable[..., Running], closed: Guard, path: str) -> None:
    answer = HTTP.post(f"{start(closed).url}{path}", json=BODIES[path]("bread"))
    message = f"a text could not be judged: {CLOSED}"
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "code": 503,
        "message": message,
        "error": {"message": message, "type": "server_error", "param": None, "code": "undecided"},
    }


@pytest.mark.parametrize("path", BODIES)
def test_nothing_is_judged_before_the_models_are_loaded(start: Callable[..., Running], path: str) -> None:
    answer = HTTP.post(f"{start().url}{path}", json=BODIES[path]("bread"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "loading")


def test_one_undecided_text_takes_the_answer_of_all(start: Callable[..., Running], held: Held) -> None:
    url, engine = start(held.guard).url, held.guard.checks["prompt"].engine
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(HTTP.post, f"{url}/classify", json={"input": ["bread", "cake", "tea", "city"]})
        wait_until(lambda: engine.counts.refused == 2, "two of the four found the queue full")
        held.scorer.gate.set()
        answer = asked.result()
    assert answer.status_code == 503
    assert answer.json()["message"] == "a text could not be judged: overloaded: 2 requests are waiting already"


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("/classify", {"input": []}, 400, "number_of_texts", "0 texts: a request holds 1 to 4"),
        ("/classify", {"input": ["a"] * 5}, 400, "number_of_texts", "5 texts: a request holds 1 to 4"),
        ("/classify", {"input": ["a"], "prompt": ["a", "b"]}, 400, "number_of_prompts", "2 prompts for 1 texts"),
        (
            "/classify", {"input": "a", "prompt": "b", "model": "prompt"}, 400, "contradiction",
            "the address, the model's name and the field prompt name different models",
        ),
        (
            "/prompt/classify", {"input": "a", "model": "response"}, 400, "contradiction",
            "the address, the model's name and the field prompt name different models",
        ),
        (
            "/prompts/classify", {"input": "a"}, 404, "model_not_found",
            "there is no model 'prompts'; there are prompt and response",
        ),
        ("/classify", {"inputs": "a"}, 400, "invalid_request", "input: Field required"),
        ("/classify", {"input": {"text": "a"}}, 400, "invalid_request", "input.str: Input should be a valid string"),
        (
            "/api/v1/text/contents", {"contents": ["a"], "detector_params": {"threshold": 2}}, 400, "invalid_request",
            "detector_params.threshold: Input should be less than or equal to 1",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(
    running: Running, path: str, body: dict[str, Any], status: int, code: str, message: str
) -> None:
    answer = HTTP.post(f"{running.url}{path}", json=body)
    assert answer.json()["error"] == {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    assert answer.status_code == answer.json()["code"] == status


def test_a_model_that_is_not_served_is_named(start: Callable[..., Running], held: Held) -> None:
    answer = HTTP.post(f"{start(held.guard).url}/response/classify", json={"input": "a"})
    assert (answer.status_code, answer.json()["message"]) == (404, "no model of responses is served here")


@pytest.mark.parametrize("path", BODIES)
def test_half_a_character_hides_nothing(running: Running, path: str) -> None:
    body = json.dumps(BODIES[path]("a weapon \ud800"))  # Python's JSON writes it as an escape, and so may any client
    answer = HTTP.post(f"{running.url}{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert '"decision":"block"' in answer.text
