"""A judge that goes away in the middle of a round: the round ends, and goes on with all that was written and judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from endpoint import ChatServer, Fault
from railmatch.classifier.errors import EndpointDownError
from railmatch.ssl_train.adversarial.run import harden
from small_attacks import NAMES, attack

from .conftest import LABELLED, World
from .test_run import recipe

TRUTH = {attack(label, n, form): NAMES[label] for n in LABELLED for label in (0, 1) for form in range(3)}


def test_a_round_goes_on_where_its_judge_went_away_and_nothing_is_asked_again(world: World, tmp_path: Path):
    away = True
    answered: list[str] = []

    def answer(messages: list[dict[str, Any]]) -> str:
        asked = messages[-1]["content"]
        answered.append(asked)
        texts = json.loads(asked[asked.index("{") : asked.rindex("}") + 1])
        return json.dumps({number: TRUTH[text] for number, text in texts.items()})

    def after_two(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("broken") if away and number > 2 else None

    with ChatServer(answer, faults=after_two) as server:
        endpoint = {"base_url": server.base_url, "model": "judge", "max_retries": 0, "max_concurrency": 1}
        asked = recipe(
            world, tmp_path, rounds=1, fine_tune={"steps": 2}, wait_s=0.0,
            judges={"endpoint": endpoint, "batch": 10, "policy": "Stealing is harmful."},
        )  # fmt: skip
        out = tmp_path / "out"
        with pytest.raises(EndpointDownError, match=r"^1 of 3 calls for judgements have no answer"):
            harden(asked, out, say=lambda words: None)
        written = (out / "rounds/1/candidates.jsonl").read_bytes()
        assert len(written.splitlines()) == 24 * 3
        assert not (out / "rounds/1/attacks.jsonl").exists()
        away = False
        harden(asked, out, say=lambda words: None)
    assert len(set(answered)) == len(answered) > 3
    assert (out / "rounds/1/candidates.jsonl").read_bytes() == written
    kept = [json.loads(line) for line in (out / "rounds/1/attacks.jsonl").read_text().splitlines()]
    assert sum(not row["rejected"] for row in kept) > 10
