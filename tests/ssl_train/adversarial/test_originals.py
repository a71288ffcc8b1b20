"""What training goes on with: the recipe made shorter, held-out halves, and where attacks are put."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.originals import (
    Originals,
    deal_held_out,
    fine_tuning,
    with_attacks,
    without_texts,
)
from railmatch.ssl_train.adversarial.recipe import FineTuneSettings, HardenRecipe
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import TrainingTexts
from small_training import recipe as training_recipe


def harden_recipe(**changes: object) -> HardenRecipe:
    settings = {"task": "prompt", "classifier": "m", "training": "t.yml", "generator": {"name": "none"}}
    return HardenRecipe.model_validate(settings | changes)


def labelled(count: int) -> list[Record]:
    return [Record(str(number), Exchange(f"text {number}"), number % 2) for number in range(count)]


def test_a_rounds_training_is_shorter_and_begins_at_once(tiny_encoder: Path, tmp_path: Path):
    trained_by = training_recipe(
        tmp_path, tiny_encoder, method={"name": "multimatch"},
        training={"warmup_steps": 100, "pseudo_labels_from": 5, "head_learning_rate": 0.1},
    )  # fmt: skip
    found = fine_tuning(harden_recipe(fine_tune={"steps": 40, "learning_rate": 1e-4}, seed=3), trained_by)
    training = found.training
    assert (training.steps, training.learning_rate, training.head_learning_rate) == (40, 1e-4, None)
    assert (training.warmup_steps, training.pseudo_labels_from, found.seed) == (4, 0, 3)
    assert found.method.name == "fixmatch"  # several heads cannot go on from one
    assert found.data == trained_by.data


def test_the_method_of_the_training_stays_unless_another_is_named(tiny_encoder: Path, tmp_path: Path):
    supervised = training_recipe(tmp_path, tiny_encoder, method={"name": "supervised"})
    assert fine_tuning(harden_recipe(), supervised).method.name == "supervised"
    named = harden_recipe(fine_tune=FineTuneSettings(method="fixmatch").model_dump())
    assert fine_tuning(named, supervised).method.name == "fixmatch"


def test_a_training_of_another_task_is_refused(tiny_encoder: Path, tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        fine_tuning(harden_recipe(task="response"), training_recipe(tmp_path, tiny_encoder))
    assert str(error.value) == "training: t.yml is of the task 'prompt', and task is 'response'"


def test_held_out_examples_are_dealt_into_halves_with_both_classes():
    found = deal_held_out(labelled(10), seed=0, target_fpr=0.4)
    assert len(found.calibration) == 6 and len(found.decision) == 4  # of five of a class three and two
    assert {record.id for record in [*found.calibration, *found.decision]} == {str(number) for number in range(10)}
    assert sum(record.label or 0 for record in found.decision) == 2
    assert found == deal_held_out(labelled(10), seed=0, target_fpr=0.4)


def test_too_few_held_out_examples_are_refused():
    with pytest.raises(SettingsError) as error:
        deal_held_out(labelled(3), seed=0, target_fpr=0.4)
    assert str(error.value) == (
        "held_out: 2 unharmful and 1 harmful examples are left that the classifier was not trained on and no attack "
        "starts from, and rounds are decided by at least two of each class: name more labelled examples in held_out, "
        "best of another source"
    )
    with pytest.raises(SettingsError, match=r"^target_fpr 0\.05 cannot be set with 3 unharmful labels"):
        deal_held_out(labelled(10), seed=0, target_fpr=0.05)


def test_texts_that_were_used_are_left_out_whatever_their_case():
    assert [each.id for each in without_texts(labelled(3), [Exchange("TEXT  1")])] == ["0", "2"]


ATTACK = Record("attack", Exchange("rewritten text 0"), 0)


@pytest.mark.parametrize("seed_is_in_the_pool", [True, False])
def test_an_attack_is_a_labelled_example_and_a_strong_view_of_its_seed(
    seed_is_in_the_pool: bool, tiny_encoder: Path, tmp_path: Path
):
    pool = [Record("p", Exchange("a text")), *([Record("0", Exchange("text 0"))] if seed_is_in_the_pool else [])]
    texts = TrainingTexts(labelled(2), pool, {}, {})
    rewrites = {"p": [Exchange("another")], **({"0": [Exchange("stored")]} if seed_is_in_the_pool else {})}
    originals = Originals(training_recipe(tmp_path, tiny_encoder), texts, rewrites)
    found, views = with_attacks(originals, [ATTACK], {"attack": Record("0", Exchange("text 0"))})
    assert found.labelled == [*labelled(2), ATTACK]
    assert [record.id for record in found.pool] == ["p", "0"]
    stored = [Exchange("stored")] if seed_is_in_the_pool else []
    assert views == {"p": [Exchange("another")], "0": [*stored, ATTACK.exchange]}
    assert originals.rewrites == rewrites and originals.texts.pool == pool  # the next round begins from the same


def test_supervised_training_has_no_strong_views(tiny_encoder: Path, tmp_path: Path):
    recipe = training_recipe(tmp_path, tiny_encoder, method={"name": "supervised"})
    originals = Originals(recipe, TrainingTexts(labelled(2), [], {}, {}), {})
    found, views = with_attacks(originals, [ATTACK], {"attack": Record("0", Exchange("text 0"))})
    assert (len(found.labelled), found.pool, views) == (3, [], {})
