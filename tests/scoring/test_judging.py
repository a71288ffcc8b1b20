"""Judging records in a row: their order is kept although many are under way, however long they are."""

from pathlib import Path

from pytest import MonkeyPatch
from railmatch.classifier.inputs import Exchange
from railmatch.rails.guard import Guard
from railmatch.scoring import judging
from railmatch.scoring.judging import judged
from railmatch.ssl_train.data.records import Record


def test_the_lines_come_in_the_order_of_the_records(trigger_models: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "AHEAD", 4)
    monkeypatch.setattr(judging, "AHEAD_CHARACTERS", 100)
    records = [
        Record(str(number), Exchange(("bread " * (number * 17 % 50)) + ("weapon" if number % 4 == 0 else "")))
        for number in range(40)
    ]
    with Guard.load(trigger_models, device="cpu", deadline=None) as guard:
        lines = list(judged(guard.check("prompt"), records, text=False))
    assert [line["id"] for line in lines] == [str(number) for number in range(40)]
    assert [line["decision"] == "block" for line in lines] == [number % 4 == 0 for number in range(40)]
