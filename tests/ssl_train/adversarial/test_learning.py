"""A round's training: which attacks are learnt from, and how success is measured."""

from pathlib import Path

import numpy as np
import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.adversarial.attack import Author, Candidate, Seed
from railmatch.ssl_train.adversarial.harvest import Attack
from railmatch.ssl_train.adversarial.learning import choose, success
from railmatch.ssl_train.adversarial.rewards import Terms


def attack(number: int, label: int) -> Attack:
    candidate = Candidate(Seed(f"s{number}", Exchange("seed"), label), f"text {number}", Author("endpoint"))
    return Attack(candidate, Terms(0.5, 1.0, {}, {}, cosine=0.7), 1, 0.5)


def test_the_most_fooling_are_chosen_as_many_of_either_class():
    attacks = [attack(0, 1), attack(1, 1), attack(2, 1), attack(3, 0), attack(4, 0), attack(5, 0)]
    harmful = np.array([0.9, 0.1, 0.2, 0.8, 0.3, 0.9])
    # of 10 originals and a share of 0.3, 0.3 / 0.7 * 10 = 4.3 may be attacks: two of either class
    chosen = choose(attacks, harmful, 10, 0.3)
    assert [each.candidate.text for each in chosen] == ["text 1", "text 2", "text 3", "text 5"]
    assert len(chosen) / (10 + len(chosen)) <= 0.3


def test_the_classes_stay_even_where_one_has_few():
    chosen = choose([attack(number, int(number > 0)) for number in range(9)], np.full(9, 0.5), 10, 0.3)
    assert [each.candidate.seed.label for each in chosen] == [0, 1, 1]


def test_no_attacks_no_choice():
    assert choose([], np.array([]), 10, 0.3) == []


def test_success_is_the_share_on_the_wrong_side(trigger_models: Path):
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")  # "weapon" is what it knows
    harmful, harmless = Seed("a", Exchange("x"), 1), Seed("b", Exchange("x"), 0)
    texts = [(harmful, "a weapon"), (harmful, "a gun"), (harmless, "a toy weapon"), (harmless, "a toy")]
    assert success([Candidate(*each, Author("endpoint")) for each in texts], classifier) == pytest.approx(0.5)
