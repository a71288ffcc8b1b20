"""Temperature and threshold, worked out by hand; intervals against the tables of Clopper and Pearson."""

import json
from math import log

import numpy as np
import pytest
from railmatch.classifier.calibration import (
    clopper_pearson,
    fit_temperature,
    margins,
    require_support,
    threshold_at_fpr,
    unharmful_needed,
)
from railmatch.classifier.errors import DataError, SettingsError


def test_margins_are_the_logits_of_the_probabilities():
    assert margins([0.5, 0.8, 0.2]) == pytest.approx([0.0, log(4), -log(4)])
    assert np.isfinite(margins([0.0, 1.0])).all()


def test_a_temperature_worked_out_by_hand():
    # All margins are +4 and 3 of 4 labels are harmful. They count as 4/5 each and the other as 1/3, on average 41/60:
    # the likelihood is highest where sigmoid(4 / T) is that, so T = 4 / log(41/19).
    assert fit_temperature([4.0] * 4, [1, 1, 1, 0]) == pytest.approx(4 / log(41 / 19), rel=1e-6)


def test_the_fitted_temperature_does_not_depend_on_which_class_a_margin_speaks_for():
    # of four labels a class, those that a margin is right about count as 5/6 and the others as 1/6: on average 2/3
    assert fit_temperature([4.0, 4.0, 4.0, 4.0, -4.0, -4.0, -4.0, -4.0], [1, 1, 1, 0, 0, 0, 0, 1]) == pytest.approx(
        4 / log(2), rel=1e-6
    )


def test_probabilities_that_are_right_need_no_temperature():
    # at a probability of 0.9, nine of ten are harmful; of so many labels the smoothing changes hardly anything
    assert fit_temperature(margins([0.9] * 10_000), [1] * 9_000 + [0] * 1_000) == pytest.approx(1.0, abs=1e-3)


def test_no_other_temperature_is_more_likely():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)
    values = generator.normal(3 * (2 * labels - 1), 5)
    fitted = fit_temperature(values, labels)
    targets = np.where(labels == 1, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((labels == 0).sum() + 2))

    def loss(temperature: float) -> float:
        harmful = values / temperature
        return float((targets * np.logaddexp(0, -harmful) + (1 - targets) * np.logaddexp(0, harmful)).mean())

    assert min(np.linspace(0.2, 9.8, 500), key=loss) == pytest.approx(fitted, abs=0.02)


@pytest.mark.parametrize("margin", [0.5, 1.0, 4.3])
def test_labels_that_the_model_separates_do_not_make_it_sure_without_end(margin):
    # 20 labels a class count as 21/22 and 1/22, so that is what the probabilities become: sigmoid(margin / T) = 21/22
    fitted = fit_temperature([-margin] * 20 + [margin] * 20, [0] * 20 + [1] * 20)
    assert fitted == pytest.approx(margin / log(21), rel=1e-6)


def test_the_temperature_stays_within_its_bounds():
    assert fit_temperature([-0.01, 0.01], [0, 1]) == pytest.approx(0.1)  # hardly any margin: a tenfold one at most
    assert fit_temperature([-16.0, 16.0], [0, 1]) == pytest.approx(10.0)  # two labels show little: 16 / log(2) is 23
    assert fit_temperature([1.0, -1.0], [0, 1]) == pytest.approx(10.0)  # always wrong: as unsure as allowed


def scored(unharmful: list[float], harmful: list[float]) -> tuple[list[float], list[int]]:
    return unharmful + harmful, [0] * len(unharmful) + [1] * len(harmful)


def test_the_threshold_lets_through_all_but_the_allowed_share():
    # 20 unharmful scores 0.00, 0.01 .. 0.19; a tenth of them, two, may be called harmful: 0.19 and 0.18
    scores, labels = scored([number / 100 for number in range(20)], [0.05, 0.175, 0.18, 0.9])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert report.threshold == pytest.approx(0.1725)  # between the next unharmful score and the lowest caught
    assert (report.fpr, report.recall) == (0.1, 0.75)
    assert (report.harmful, report.unharmful, report.target_fpr) == (4, 20, 0.1)


def test_a_threshold_that_catches_nothing_is_the_smallest_that_keeps_the_rate():
    scores, labels = scored([number / 100 for number in range(20)], [0.05])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert np.nextafter(report.threshold, 0) == 0.17
    assert (report.fpr, report.recall) == (0.1, 0.0)


def test_the_threshold_is_raised_where_that_loses_no_harmful_example():
    # two may be called harmful, 0.18 and 0.19; but from there up to 0.8 no harmful example is to be gained by it
    scores, labels = scored([number / 100 for number in range(20)], [0.05, 0.8, 0.9])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert report.threshold == pytest.approx((0.19 + 0.8) / 2)
    assert (report.fpr, report.recall) == (0.0, pytest.approx(2 / 3))


def test_separated_classes_are_told_apart_in_the_middle():
    scores, labels = scored([1e-19 * number for number in range(1, 21)], [0.99] * 20)
    report = threshold_at_fpr(scores, labels, target_fpr=0.05)
    assert report.threshold == pytest.approx(0.495)
    assert (report.fpr, report.recall) == (0.0, 1.0)


def test_an_unharmful_example_at_the_lowest_harmful_score_is_still_blocked():
    # one may be called harmful, 0.6; it shares its score with the lowest harmful one, which is not to be lost
    scores, labels = scored([0.1] * 9 + [0.6], [0.6, 0.7])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert report.threshold == pytest.approx(0.35)
    assert (report.fpr, report.recall) == (0.1, 1.0)


def test_neighbouring_scores_have_no_middle_and_the_upper_one_is_the_threshold():
    above = float(np.nextafter(0.5, 1))
    scores, labels = scored([0.1] * 9 + [0.5], [above])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert (report.threshold, report.fpr, report.recall) == (above, 0.0, 1.0)


def test_ties_fall_on_one_side_together():
    # one of ten may pass, but three share the highest score: none passes
    scores, labels = scored([0.1] * 7 + [0.6] * 3, [0.6, 0.7])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert (report.fpr, report.recall) == (0.0, 0.5)
    assert report.threshold == pytest.approx(0.65)


def test_a_target_in_the_middle_of_ties_is_kept():
    # four of ten may pass; the fifth highest shares its score with two above it, so only the two highest pass
    scores, labels = scored([0.1] * 5 + [0.5] * 3 + [0.8, 0.9], [0.5, 0.75])
    assert threshold_at_fpr(scores, labels, target_fpr=0.4).fpr == 0.2


def test_unharmful_examples_at_the_highest_score_leave_nothing_to_call_harmful():
    scores, labels = scored([1.0] * 10, [1.0] * 10)
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert report.threshold > 1
    assert (report.fpr, report.recall) == (0.0, 0.0)


def test_a_share_is_counted_exactly():
    # 0.29 * 100 is 28.999999999999996 in floating point
    scores, labels = scored([number / 1000 for number in range(100)], [0.0])
    assert threshold_at_fpr(scores, labels, target_fpr=0.29).fpr == 0.29


def test_the_order_of_the_examples_does_not_matter():
    scores, labels = scored([number / 100 for number in range(20)], [0.05, 0.9])
    assert threshold_at_fpr(scores[::-1], labels[::-1], target_fpr=0.1) == threshold_at_fpr(
        scores, labels, target_fpr=0.1
    )


@pytest.mark.parametrize(
    ("hits", "trials", "interval"),
    [
        (0, 10, (0.0, 0.3085)),  # 1 - 0.025 ** (1 / 10)
        (10, 10, (0.6915, 1.0)),
        (1, 10, (0.0025, 0.4450)),
        (5, 100, (0.0164, 0.1128)),
    ],
)
def test_intervals_of_clopper_and_pearson(hits, trials, interval):
    assert clopper_pearson(hits, trials) == pytest.approx(interval, abs=5e-5)


def test_the_report_names_the_interval_of_its_rate():
    scores, labels = scored([number / 100 for number in range(100)], [0.9])
    report = threshold_at_fpr(scores, labels, target_fpr=0.05)
    assert report.fpr == 0.05
    assert report.fpr_interval == clopper_pearson(5, 100)
    assert json.loads(json.dumps(report.as_dict()))["fpr_interval"] == list(report.fpr_interval)


@pytest.mark.parametrize("unharmful", [[0.01 * number for number in range(20)], [0.1] * 17 + [0.15] * 3], ids=str)
def test_the_interval_ends_where_that_of_the_allowed_false_positives_does(unharmful):
    # two are allowed and none is counted, by a higher threshold or by ties
    scores, labels = scored(unharmful, [0.9])
    report = threshold_at_fpr(scores, labels, target_fpr=0.1)
    assert report.fpr == 0.0
    assert report.fpr_interval == (0.0, clopper_pearson(2, 20)[1])


def test_the_upper_end_holds_where_harmful_scores_choose_among_the_counts():
    """Unharmful scores are uniform, so the true rate of a threshold is what it leaves of 1.

    The harmful scores are where that is just above the upper end for 0, 1 .. 4 false positives of 40.
    """
    generator = np.random.default_rng(0)
    harmful = [1 - 1.001 * clopper_pearson(hits, 40)[1] for hits in range(5)]
    labels = [0] * 40 + [1] * 5
    reports = [threshold_at_fpr([*generator.random(40), *harmful], labels, target_fpr=0.1) for _ in range(2000)]
    assert np.mean([1 - report.threshold > report.fpr_interval[1] for report in reports]) < 0.025
    counted = [clopper_pearson(round(report.fpr * 40), 40)[1] for report in reports]
    assert np.mean([1 - report.threshold > high for report, high in zip(reports, counted, strict=True)]) > 0.035


@pytest.mark.parametrize(("target", "needed"), [(0.05, 20), (0.001, 1000), (0.03, 34), (0.1, 10), (0.5, 2)])
def test_a_target_needs_one_expected_false_positive(target, needed):
    assert unharmful_needed(target) == needed
    require_support(needed, target)
    with pytest.raises(SettingsError, match=f"label at least {needed} unharmful examples"):
        require_support(needed - 1, target)


def test_a_target_that_the_labels_cannot_support_is_refused_with_the_number_that_would():
    scores, labels = scored([0.1] * 99, [0.9] * 101)
    with pytest.raises(SettingsError) as error:
        threshold_at_fpr(scores, labels, target_fpr=0.001)
    assert str(error.value) == (
        "target_fpr 0.001 cannot be set with 99 unharmful labels, which expect less than one false positive at that "
        "rate: raise target_fpr to 0.0102 or more, or label at least 1000 unharmful examples"
    )
    require_support(99, 0.0102)  # what the message advises works


@pytest.mark.parametrize("target", [0, 1, -0.1, float("nan")])
def test_an_impossible_target_is_refused(target):
    with pytest.raises(SettingsError, match="target_fpr must be above 0 and below 1"):
        require_support(1000, target)


@pytest.mark.parametrize("judge", [lambda s, y: threshold_at_fpr(s, y, target_fpr=0.5), fit_temperature])
@pytest.mark.parametrize(
    ("scores", "labels", "reason"),
    [
        ([0.5, 0.5], [0, 0], "none of the 2 examples is harmful"),
        ([0.5, 0.5], [1, 1], "none of the 2 examples is unharmful"),
        ([0.5], [0, 1], "of one length"),
        ([0.5, float("nan")], [0, 1], "score 1 is not a finite number"),
    ],
)
def test_examples_that_cannot_be_judged_are_refused(judge, scores, labels, reason):
    with pytest.raises(DataError, match=reason):
        judge(scores, labels)
