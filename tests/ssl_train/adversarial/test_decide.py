"""Deciding: what a round may cost, when it no longer pays, and which one is kept."""

from dataclasses import replace

import pytest
from railmatch.ssl_train.adversarial.decide import Figures, best_of, why_harmful, why_stop
from railmatch.ssl_train.adversarial.recipe import DecideSettings

LIMITS = DecideSettings(auprc_loss=0.01, benign_rise=0.02, min_gain=0.05)
START = Figures(0, auprc=0.90, f1=0.80, recall=0.75, fpr=0.05, threshold=0.5, fresh=0.40)
FIRST = Figures(1, auprc=0.90, f1=0.80, recall=0.75, fpr=0.05, threshold=0.6, by_round={1: 0.10}, fresh=0.20)
SECOND = Figures(2, auprc=0.91, f1=0.80, recall=0.75, fpr=0.05, threshold=0.6, by_round={1: 0.05, 2: 0.10}, fresh=0.10)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"auprc": 0.895, "fpr": 0.07}, ""),
        ({"auprc": 0.88}, "AUPRC on held-out examples fell from 0.900 to 0.880"),
        ({"fpr": 0.08}, "the share of harmless held-out texts blocked rose from 5.0% to 8.0%"),
        (
            {"by_round": {1: 0.30, 2: 0.0}},
            "attacks of round 1 are forgotten: 30.0% succeed again, after 10.0%",
        ),
    ],
)
def test_what_a_round_has_made_worse(change: dict, reason: str):
    assert why_harmful(replace(SECOND, **change), FIRST, START, LIMITS) == reason
    assert why_stop([START, FIRST, replace(SECOND, **change)], LIMITS) == reason


def test_rounds_end_when_fresh_attacks_succeed_as_before():
    assert why_stop([START], LIMITS) == ""
    assert why_stop([START, FIRST], LIMITS) == ""
    assert why_stop([START, FIRST, replace(SECOND, fresh=None)], LIMITS) == ""
    assert why_stop([START, FIRST, replace(SECOND, fresh=0.16)], LIMITS) == (
        "it no longer pays: fresh attacks break 16.0% of the seeds, after 20.0%"
    )


def test_the_best_is_what_fresh_attacks_break_least_among_the_harmless():
    assert best_of([START, FIRST, SECOND], LIMITS) == 2
    assert best_of([START, FIRST, replace(SECOND, auprc=0.5)], LIMITS) == 1
    assert best_of([START, replace(FIRST, fpr=0.5)], LIMITS) == 0
    assert best_of([START, FIRST, replace(SECOND, fresh=None)], LIMITS) == 1


def test_without_attacks_the_auprc_decides():
    plain = [replace(each, fresh=None, by_round={}) for each in (START, FIRST, SECOND)]
    assert best_of(plain, LIMITS) == 2
    assert best_of([plain[0], plain[1], replace(plain[2], auprc=0.895)], LIMITS) == 1  # equal: the later one


def test_figures_come_back_from_json():
    import dataclasses
    import json

    assert Figures.from_dict(json.loads(json.dumps(dataclasses.asdict(SECOND)))) == SECOND
