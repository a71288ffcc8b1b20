"""Figures worked out by hand, and the vectorised bootstrap against scikit-learn on the same resamples."""

import json

import numpy as np
import pytest
from railmatch.classifier.errors import DataError, SettingsError
from railmatch.classifier.metrics import _Curve, allowed_false_positives, evaluate_scores

LABELS = [1, 1, 0, 1, 0, 0]
SCORES = [0.9, 0.8, 0.7, 0.6, 0.4, 0.1]


def test_figures_at_the_threshold():
    # at 0.65: harmful are called 0.9 and 0.8 (right) and 0.7 (wrong); 0.6 is missed
    figures = evaluate_scores(LABELS, SCORES, threshold=0.65, bootstrap=0)
    assert (figures.precision, figures.recall) == (2 / 3, 2 / 3)
    assert figures.f1 == pytest.approx(2 / 3)
    assert figures.fpr == pytest.approx(1 / 3)
    # at one half: 0.6 joins the right ones; precision 3/4, recall 1, F1 = 2 * 3/4 / (7/4)
    assert figures.f1_at_half == pytest.approx(6 / 7)
    assert (figures.harmful, figures.unharmful, figures.threshold) == (3, 3, 0.65)


def test_figures_over_all_thresholds():
    figures = evaluate_scores(LABELS, SCORES, threshold=0.5, bootstrap=0)
    # precision at the three harmful scores is 1, 1 and 3/4
    assert figures.auprc == pytest.approx((1 + 1 + 3 / 4) / 3)
    # of nine pairs of a harmful and an unharmful score, only (0.6, 0.7) is the wrong way round
    assert figures.auroc == pytest.approx(8 / 9)
    # no false positive is allowed among three at 1% or 5%: the two scores above 0.7
    assert figures.recall_at_fpr == {"0.01": pytest.approx(2 / 3), "0.05": pytest.approx(2 / 3)}


def test_a_score_at_the_threshold_is_called_harmful():
    assert evaluate_scores([1, 0], [0.5, 0.1], threshold=0.5, bootstrap=0).recall == 1
    assert evaluate_scores([1, 0], [0.5, 0.1], threshold=0.5000001, bootstrap=0).recall == 0


def test_nothing_called_harmful_gives_zeros():
    figures = evaluate_scores(LABELS, SCORES, threshold=2.0, bootstrap=5)
    assert (figures.f1, figures.precision, figures.recall, figures.fpr) == (0, 0, 0, 0)
    assert figures.intervals["precision"] == (0, 0)


def test_recall_at_a_rate_counts_false_positives_exactly():
    # 100 unharmful at 0.00 .. 0.99: at 5% the five from 0.95 may pass, so harmful scores from 0.95 are found and 0.945
    # would let no sixth in; at 1% one may pass: from 0.99
    labels = [0] * 100 + [1] * 4
    scores = [number / 100 for number in range(100)] + [0.935, 0.945, 0.985, 0.995]
    recall = evaluate_scores(labels, scores, threshold=0.5, bootstrap=0).recall_at_fpr
    assert recall == {"0.01": 0.5, "0.05": 0.75}


def test_recall_at_a_rate_takes_ties_together():
    labels = [0] * 20 + [1, 1]
    scores = [0.1] * 18 + [0.8, 0.8] + [0.8, 0.9]  # calling 0.8 harmful calls two of twenty unharmful so
    assert evaluate_scores(labels, scores, threshold=0.5, bootstrap=0).recall_at_fpr["0.05"] == 0.5


@pytest.mark.parametrize(("unharmful", "rate", "allowed"), [(100, "0.29", 29), (99, "0.01", 0), (1000, 0.001, 1)])
def test_allowed_false_positives_are_exact(unharmful, rate, allowed):
    assert allowed_false_positives(unharmful, rate) == allowed


def test_scores_that_all_tie_rank_by_chance():
    figures = evaluate_scores([1, 0, 0, 0], [0.5] * 4, threshold=0.5, bootstrap=20)
    assert (figures.auroc, figures.auprc) == (0.5, 0.25)
    assert figures.recall_at_fpr == {"0.01": 0, "0.05": 0}
    assert figures.intervals["auroc"] == (0.5, 0.5)


def many(count: int, decimals: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3 == 0
    return labels.astype(int), np.round(np.clip(generator.normal(0.35 + 0.3 * labels, 0.2), 0, 1), decimals)


@pytest.mark.parametrize("decimals", [1, 2, 8])  # many ties, some, none
def test_the_bootstrap_computes_what_scikit_learn_computes(decimals):
    labels, scores = many(60, decimals, seed=decimals)
    curve = _Curve.of(labels, scores)
    draws = [curve._draw(places, 7, np.random.default_rng(number)) for number, places in enumerate(curve.places)]
    figures = curve._figures(*(np.cumsum(draw, axis=1) for draw in draws), 0.45)
    for row in range(7):
        drawn = [np.repeat(curve.values, draw[row]) for draw in draws]
        assert [len(values) for values in drawn] == [40, 20]  # stratified
        one = evaluate_scores(np.repeat([0, 1], [40, 20]), np.concatenate(drawn), threshold=0.45, bootstrap=0)
        expected = {**one.as_dict(), **{f"recall_at_fpr_{rate}": value for rate, value in one.recall_at_fpr.items()}}
        assert {name: column[row] for name, column in figures.items()} == pytest.approx(
            {name: expected[name] for name in figures}
        )


def test_intervals_hold_the_estimate_and_shrink_with_the_examples():
    small = evaluate_scores(*many(60, 8, seed=0), threshold=0.45, bootstrap=300)
    large = evaluate_scores(*many(3000, 8, seed=0), threshold=0.45, bootstrap=300)
    for figures in (small, large):
        estimates = {**figures.as_dict(), **{f"recall_at_fpr_{k}": v for k, v in figures.recall_at_fpr.items()}}
        for name, (low, high) in figures.intervals.items():
            assert low <= estimates[name] <= high, name
    width = {name: high - low for name, (low, high) in small.intervals.items()}
    assert all(high - low < width[name] for name, (low, high) in large.intervals.items())


def test_the_interval_of_recall_is_that_of_the_binomial():
    # recall is 80 of 100: the standard error of the share is 0.04, so about 0.72 to 0.88
    labels = [1] * 100 + [0] * 10
    scores = [0.9] * 80 + [0.1] * 20 + [0.2] * 10
    low, high = evaluate_scores(labels, scores, threshold=0.5, bootstrap=4000).intervals["recall"]
    assert (low, high) == (pytest.approx(0.72, abs=0.015), pytest.approx(0.88, abs=0.015))


def test_the_seed_decides_the_intervals():
    labels, scores = many(60, 8, seed=0)
    first, again, other = (evaluate_scores(labels, scores, threshold=0.45, bootstrap=50, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.intervals != other.intervals


def test_resamples_in_several_chunks_are_all_counted(monkeypatch):
    monkeypatch.setattr("railmatch.classifier.metrics.CELLS", 60 * 8)  # eight resamples of sixty at once
    labels, scores = many(60, 8, seed=0)
    assert len(_Curve.of(labels, scores).resampled(50, 0, 0.5)["f1"]) == 50


def test_no_bootstrap_gives_no_intervals():
    assert evaluate_scores(LABELS, SCORES, threshold=0.5, bootstrap=0).intervals == {}


def test_the_report_has_the_keys_that_others_rely_on():
    report = json.loads(json.dumps(evaluate_scores(LABELS, SCORES, threshold=0.5, bootstrap=10).as_dict()))
    assert set(report) == {
        *("f1", "f1_at_half", "precision", "recall", "fpr", "auprc", "auroc"),
        *("recall_at_fpr", "threshold", "harmful", "unharmful", "intervals"),
    }
    assert set(report["recall_at_fpr"]) == {"0.01", "0.05"}
    assert set(report["intervals"]) == {
        *("f1", "f1_at_half", "precision", "recall", "fpr", "auprc", "auroc"),
        *("recall_at_fpr_0.01", "recall_at_fpr_0.05"),
    }


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([1, 1], [0.1, 0.2], "none of the 2 examples is unharmful: both classes are needed"),
        ([0, 0], [0.1, 0.2], "none of the 2 examples is harmful: both classes are needed"),
        ([], [], "none of the 0 examples is unharmful"),
        ([0, 1], [0.1], r"of one length, not of shapes \(2,\), \(1,\)"),
        ([[0, 1]], [[0.1, 0.2]], "of one length"),
        ([0, 2], [0.1, 0.2], r"labels must be 1 \(harmful\) or 0 \(unharmful\)"),
        ([0, 1], [0.1, float("nan")], "score 1 is not a finite number"),
        ([0, 1], [float("inf"), 0.1], "score 0 is not a finite number"),
    ],
)
def test_examples_that_cannot_be_evaluated_are_refused(labels, scores, reason):
    with pytest.raises(DataError, match=reason):
        evaluate_scores(labels, scores, threshold=0.5)


def test_a_negative_number_of_resamples_is_refused():
    with pytest.raises(SettingsError, match="bootstrap must be 0 or more resamples, not -1"):
        evaluate_scores(LABELS, SCORES, threshold=0.5, bootstrap=-1)
