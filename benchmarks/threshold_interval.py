"""How often the 95% interval of a threshold's false-positive rate holds that of the final model, in a simulation.

    python benchmarks/threshold_interval.py

A calibration scores each label by a model that was trained without it, and the final model is one more. Here scores are
normal, of spread 1, harmful ones 2 higher; a model shifts all its scores by a normal draw of its own. Five models alike
are what the interval is made for; how far real ones are apart depends on the labels and is not known.
"""

import click
import numpy as np
from railmatch.classifier.calibration import threshold_at_fpr
from scipy.stats import norm

ROUNDS, EACH = 4, 25
"""Rounds of the calibration, and harmless texts in each, of which there are as many as harmful ones."""

DISTANCE = 2.0
TARGET = 0.05
SEED = 0


def share_held(shift: float, trials: int) -> float:
    """Give the share of calibrations, in [0, 1], whose interval holds the final model's false-positive rate.

    ``shift`` is the standard deviation of the models' shifts, in standard deviations of the scores.
    """
    draw = np.random.default_rng(SEED)
    held = 0
    for _ in range(trials):
        *of_rounds, of_final = draw.normal(0.0, shift, ROUNDS + 1)
        unharmful = np.concatenate([draw.normal(moved, 1.0, EACH) for moved in of_rounds])
        harmful = np.concatenate([draw.normal(DISTANCE + moved, 1.0, EACH) for moved in of_rounds])
        labels = np.repeat([0, 1], ROUNDS * EACH)
        found = threshold_at_fpr(np.concatenate([unharmful, harmful]), labels, target_fpr=TARGET)
        low, high = found.fpr_interval
        held += low <= norm.sf(found.threshold - of_final) <= high
    return held / trials


@click.command()
@click.option("--trials", type=click.IntRange(min=1), default=2000, show_default=True, help="Calibrations a row.")
def main(trials: int) -> None:
    """Print a table."""
    click.echo("| shift of a model's scores | final model's rate in the interval |\n| --- | --- |")
    for shift in (0.0, 0.1, 0.2, 0.3):
        click.echo(f"| {shift:g} | {share_held(shift, trials):.0%} |")


if __name__ == "__main__":
    main()
