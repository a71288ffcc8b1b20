"""The harvest: what passes, is new, and is not too much of one kind; with score and lineage, through JSON and back."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Author, Candidate, Seed
from railmatch.ssl_train.adversarial.harvest import Attack, Harvest, diversity, harvest
from railmatch.ssl_train.adversarial.recipe import HarvestSettings
from railmatch.ssl_train.adversarial.rewards import Terms

SEEDS = [Seed(f"s{number}", Exchange(f"seed {number}"), number % 2, "theft") for number in range(8)]


def attack(text: str, seed: Seed = SEEDS[1], *, fool: float = 1.0, harmful: float = 0.2, gate: str = "") -> Attack:
    gates = {"copy": gate != "copy", "label": gate != "label"}
    terms = Terms(harmful, fool, gates, {"faithfulness": 0.0}, cosine=0.7, agreeing=int(gate != "label"), asked=1)
    return Attack(Candidate(seed, text, Author("endpoint", "m", "t@1")), terms, 2, 0.5, terms.stopped_by)


def embed(texts: Sequence[str]) -> np.ndarray:
    """Texts with the same first word mean the same (cosine 1), others nothing alike (cosine 0)."""
    words = {word: number for number, word in enumerate(dict.fromkeys(text.split()[0] for text in ALL))}
    return np.eye(len(words))[[words[text.split()[0]] for text in texts]] if texts else np.zeros((0, len(words)))


ALL = ["alpha one two", "beta one two", "gamma one two", "delta one two", "alpha three four", "seed 1"]


def reasons(found: Harvest) -> dict[str, str]:
    return {each.candidate.text: each.rejected for each in found.attacks}


def test_the_best_of_what_is_alike_is_kept():
    scored = [attack(ALL[0], fool=1.0), attack(ALL[4], fool=3.0), attack(ALL[1], fool=2.0), attack(ALL[2], gate="copy")]
    found = harvest(scored, [], HarvestSettings(), embed)
    assert [each.candidate.text for each in found.kept] == [ALL[4], ALL[1]]
    assert reasons(found) == {ALL[4]: "", ALL[1]: "", ALL[0]: "same meaning", ALL[2]: "copy"}


def test_attacks_of_earlier_rounds_are_known():
    again = [attack("ALPHA one  two"), attack("delta one two and some more words than before here"), attack(ALL[2])]
    known = [attack(ALL[0]), attack("delta one two and some more words than before here now")]
    ALL.extend(each.candidate.text for each in [*again, *known])
    found = harvest(again, known, HarvestSettings(near_copy=0.6), embed)
    assert reasons(found) == {
        "ALPHA one  two": "same text",
        "delta one two and some more words than before here": "near copy",
        ALL[2]: "",
    }


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        (HarvestSettings(a_seed=1), [ALL[0], ALL[2], ALL[3]]),
        (HarvestSettings(a_category=2), [ALL[0], ALL[1], ALL[3]]),
        (HarvestSettings(accepted=2), [ALL[0], ALL[3]]),
    ],
)
def test_no_seed_category_or_class_has_more_than_its_share(settings: HarvestSettings, kept: list[str]):
    scored = [
        attack(ALL[0], SEEDS[1], fool=4.0), attack(ALL[1], SEEDS[1], fool=3.0), attack(ALL[2], SEEDS[3], fool=2.0),
        attack(ALL[3], SEEDS[0], fool=1.0),
    ]  # fmt: skip
    assert [each.candidate.text for each in harvest(scored, [], settings, embed).kept] == kept


def test_figures_count_seeds_that_were_broken_and_not_texts():
    scored = [
        attack(ALL[0], SEEDS[1], harmful=0.2), attack(ALL[1], SEEDS[1], harmful=0.1),  # misses of the same seed
        attack(ALL[2], SEEDS[0], harmful=0.7),  # a false alarm
        attack(ALL[3], SEEDS[3], harmful=0.9),  # withstood
        attack(ALL[4], SEEDS[5], harmful=0.1, gate="label"),  # a miss that is harmless: no attack
    ]  # fmt: skip
    found = harvest(scored, [], HarvestSettings(), embed).figures(8, embed)
    assert (found["texts"], found["kept"], found["rejected"]) == (5, 4, {"label": 1})
    assert found["success"] == pytest.approx(2 / 8)
    assert found["broken"] == {"unharmful": 1, "harmful": 1}
    assert found["faithful"] == pytest.approx(4 / 5)
    assert found["diversity"] == pytest.approx(1.0)  # no two kept ones share anything


def test_nothing_kept_has_no_diversity_and_no_mean():
    found = Harvest([attack(ALL[0], gate="copy")]).figures(4, embed)
    assert (found["success"], found["diversity"], found["fool"]) == (0.0, None, None)


def test_diversity_is_the_mean_distance_to_the_nearest():
    # cosines: 1-2 0.6, 2-3 0.8, 1-3 0: nearest distances are 0.4, 0.2, 0.2
    assert diversity(np.array([[1, 0], [0.6, 0.8], [0, 1]])) == pytest.approx(0.8 / 3)
    assert diversity(np.array([[1, 0]])) is None


def test_an_attack_comes_back_from_json_with_its_score_and_lineage():
    pair = Seed("p1", Exchange("prompt", "response"), 1, "theft")
    kept = attack("another response", pair)
    row = json.loads(json.dumps(kept.as_dict()))
    assert Attack.from_dict(row) == kept
    assert {name: row[name] for name in ("round", "generator", "model", "template", "rejected", "text")} == {
        "round": 2, "generator": "endpoint", "model": "m", "template": "t@1", "rejected": "",
        "text": "another response",
    }  # fmt: skip
    assert row["seed"] == {
        "id": "p1", "prompt": "prompt", "response": "response", "label": "harmful", "category": "theft",
    }  # fmt: skip
    assert Attack.from_dict(row).candidate.exchange == Exchange("prompt", "another response")
