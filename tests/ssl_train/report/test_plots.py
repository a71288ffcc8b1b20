"""The plots as SVG: well formed, one style, nothing that clashes between two of them on one page."""

import re
from collections import Counter
from xml.etree import ElementTree

import pytest
from railmatch.ssl_train.report.plots import (
    plot_histogram,
    plot_kept,
    plot_losses,
    plot_precision_recall,
    plot_reliability,
    plot_roc,
)
from small_report import HELD_BACK, TEST

HISTORY = {"step": [20, 40], "supervised": [0.6, 0.3], "unsupervised": [0.5, 0.4], "kept": [0.25, 0.75]}
SETS = {"test": TEST, "held-back": HELD_BACK}


@pytest.fixture(scope="module")
def plots() -> dict[str, str]:
    return {
        "pr": plot_precision_recall(SETS, 0.5),
        "roc": plot_roc(SETS, 0.5),
        "reliability": plot_reliability(SETS),
        "test histogram": plot_histogram("test", TEST, 0.5),
        "held-back histogram": plot_histogram("held-back", HELD_BACK, 0.5),
        "losses": plot_losses(HISTORY, unlabelled=True),
        "kept": plot_kept(HISTORY),
    }


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_plots_are_well_formed_and_take_all_colours_from_the_page(plots: dict[str, str]):
    for name, svg in plots.items():
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg", name
        assert "width" not in root.attrib, name
        assert re.findall(r"(?:fill|stroke): #\w+", svg) == [], name
        assert "var(--muted)" in svg, name


def test_no_id_occurs_twice_on_a_page(plots: dict[str, str]):
    ids = Counter(identity for svg in plots.values() for identity in re.findall(r'\bid="([^"]+)"', svg))
    assert ids
    assert [identity for identity, count in ids.items() if count > 1] == []


def test_every_reference_leads_to_an_id_of_the_same_plot(plots: dict[str, str]):
    for name, svg in plots.items():
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
        assert used, name
        assert used <= set(re.findall(r'\bid="([^"]+)"', svg)), name


def test_the_same_numbers_give_the_same_plot(plots: dict[str, str]):
    assert plot_roc(SETS, 0.5) == plots["roc"]


def test_plots_name_what_they_show(plots: dict[str, str]):
    for name in ("pr", "roc", "reliability"):
        assert {"test examples", "held-back labels"} <= set(texts(plots[name]))
    assert {"unharmful (6)", "harmful (4)", "threshold 0.500"} <= set(texts(plots["held-back histogram"]))
    assert {"labelled texts", "unlabelled texts", "step"} <= set(texts(plots["losses"]))


def test_supervised_training_has_one_loss():
    assert "unlabelled texts" not in texts(plot_losses(HISTORY, unlabelled=False))


def test_a_threshold_above_one_is_no_line_in_the_histogram():
    # calibration gives it where harmless texts share the highest score
    assert not any(text.startswith("threshold") for text in texts(plot_histogram("test", TEST, 1.1)))


def test_the_operating_point_is_where_the_threshold_puts_it():
    """At 0.7 the test set has recall 0.5 at a false-positive rate of 0.5; the axes run from -0.02 to 1.02 and 1.04."""
    svg = plot_roc({"test": TEST}, 0.7)
    (box,) = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    left, top, width, height = map(float, box)
    (dot,) = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: var\(--test\)', svg)
    assert float(dot[0]) == pytest.approx(left + width * 0.52 / 1.04, abs=0.01)
    assert float(dot[1]) == pytest.approx(top + height * (1 - 0.52 / 1.06), abs=0.01)
