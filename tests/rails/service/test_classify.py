"""``/classify``: vLLM's schema, with the label that the model's own threshold gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from railmatch.rails.guard import Guard

from .conftest import HTTP, Running


def test_the_answer_is_vllms(running: Running, guard: Guard) -> None:
    answer = HTTP.post(f"{running.url}/classify", json={"model": "prompt", "input": ["weapon", "bread"]}).json()
    assert answer["object"] == "list"
    assert answer["model"] == f"railmatch-prompt-{guard.checks['prompt'].version}"
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert [item["label"] for item in answer["data"]] == ["harmful", "unharmful"]
    assert [item["num_classes"] for item in answer["data"]] == [2, 2]
    for item, text in zip(answer["data"], ["weapon", "bread"], strict=True):
        score = guard.check_prompt(text).score
        assert item["probs"] == pytest.approx([1 - score, score])


def test_the_label_follows_the_threshold_and_not_the_larger_probability(
    start: Callable[..., Running], trigger_models: Path
) -> None:
    with Guard.load(trigger_models, device="cpu", prompt_threshold=1e-9) as strict:
        server = start(strict)
        (item,) = HTTP.post(f"{server.url}/classify", json={"input": "bread"}).json()["data"]
    assert item["probs"][1] < 0.01
    assert item["label"] == "harmful"
    assert item["railmatch"]["decision"] == "block"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", {"model": "response", "input": "i steal"}),
        ("/classify", {"prompt": "", "input": "i steal"}),
        ("/response/classify", {"input": "i steal"}),
    ],
)
def test_the_response_model_is_reached(running: Running, path: str, body: dict[str, str]) -> None:
    (item,) = HTTP.post(f"{running.url}{path}", json=body).json()["data"]
    assert (item["label"], item["railmatch"]["task"]) == ("harmful", "response")
