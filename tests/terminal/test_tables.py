"""What the tables look like, character by character."""

import numpy as np
from railmatch.classifier.metrics import evaluate_scores
from railmatch.rails.verdict import Verdict
from railmatch.ssl_train.augment import RewriteSet, VoteSet
from railmatch.ssl_train.robustness import Robustness
from railmatch.terminal.tables import aligned, attacks_table, calls_table, evaluation_table, verdict_line


def test_columns_stand_below_each_other_without_trailing_spaces():
    assert aligned([("a", "bb", ""), ("ccc", "d", "e")]) == "a    bb\nccc  d   e"


def test_evaluation_shows_every_figure():
    # 4 harmful, of which 3 reach the threshold; 4 unharmful, of which 1 does: precision, recall and F1 are 3/4.
    # Without a false positive the best threshold is 0.8 and finds 2 of 4.
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    scores = np.array([0.9, 0.8, 0.6, 0.1, 0.7, 0.3, 0.2, 0.15])
    shown = evaluation_table(evaluate_scores(labels, scores, threshold=0.55, bootstrap=0)).splitlines()
    assert shown[0] == "                     value  95% interval"
    assert shown[1:5] == [
        "F1                   0.750",
        "F1 at 0.5            0.750",
        "precision            0.750",
        "recall               0.750",
    ]
    assert shown[5] == "false-positive rate  0.250"
    # ranked: harmful, harmful, unharmful, harmful, 3 unharmful, harmful: (1 + 1 + 3/4 + 4/8) / 4
    assert shown[6] == "AUPRC                0.812"
    # of the 16 pairs the unharmful one is above the harmful one in 1 + 4
    assert shown[7] == "AUROC                0.688"
    assert shown[8:] == [
        "recall at 1% FPR     0.500",
        "recall at 5% FPR     0.500",
        "threshold 0.5500, 4 harmful, 4 unharmful",
    ]


def test_evaluation_shows_intervals():
    # classes that are wholly apart are so in every resample
    evaluation = evaluate_scores(np.array([1, 1, 0, 0]), np.array([0.9, 0.8, 0.2, 0.1]), threshold=0.5, bootstrap=20)
    shown = evaluation_table(evaluation).splitlines()
    assert shown[1] == "F1                   1.000  1.000 to 1.000"
    assert shown[8] == "recall at 1% FPR     1.000  1.000 to 1.000"


def test_attacks_show_what_undoing_evasion_saves():
    shown = attacks_table({"letter-spacing": Robustness(4, 3, 1), "slang": Robustness(0, 0, 0)}).splitlines()
    assert shown == [
        "attack          blocked  stay so  share  95% interval    nothing undone",
        "letter-spacing  4        3        0.750  0.194 to 0.994  0.250",
        "slang           0        0",
    ]


def test_verdict_shows_what_it_rests_on():
    verdict = Verdict.judged(0.9, 0.25, windows=2, milliseconds=12.4, task="prompt", model="models/prompt")
    assert verdict_line(verdict) == "block  score 0.9000  threshold 0.2500  (prompt, windows: 2, 12 ms)"


def test_undecided_verdict_says_why():
    verdict = Verdict.not_judged("the engine is closed", 0.25, milliseconds=1.0, task="prompt", model="models/prompt")
    assert verdict_line(verdict) == "undecided: the engine is closed"


def test_calls_of_one_kind_need_no_heading():
    rewrites = RewriteSet({}, {"kept": 3, "too_long": 1}, input_tokens=40, output_tokens=20)
    assert calls_table({"rewrites": rewrites}).splitlines() == [
        "kept        3",
        "too long    1",
        "tokens in   40",
        "tokens out  20",
    ]


def test_calls_of_several_kinds_stand_side_by_side():
    rewrites = RewriteSet({}, {"kept": 3, "too_long": 1}, input_tokens=40, output_tokens=20, cost=1.5)
    votes = VoteSet({}, {"kept": 2, "unreadable": 1}, input_tokens=9, output_tokens=2, cost=0.25)
    assert calls_table({"rewrites": rewrites, "votes": votes}).splitlines() == [
        "            rewrites  votes",
        "kept        3         2",
        "too long    1",
        "tokens in   40        9",
        "tokens out  20        2",
        "cost        1.50      0.25",
        "unreadable            1",
    ]
