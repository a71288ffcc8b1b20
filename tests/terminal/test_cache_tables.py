"""How the content of a cache looks on a terminal."""

from railmatch.ssl_train.augment.cache import Spent
from railmatch.ssl_train.augment.statistics import AskedFor, CacheStatistics, Example
from railmatch.terminal.cache_tables import LONGEST, printable, statistics_page

FOUND = CacheStatistics(
    [
        AskedFor("prompt/paraphrase@ab", "m", {"kept": 3, "near_copy": 1}, 40, 20),
        AskedFor("prompt/restyle@cd", "m", {"refused": 2}, 20, 4),
    ],
    {"m": Spent(6, 60, 24, 1.25)},
    [Example("prompt/paraphrase@ab", "near_copy", "How [do] I?", "how [do] i", 0.991)],
)


def test_a_line_a_template_then_what_was_spent_then_the_examples():
    lines = statistics_page(FOUND, width=60).splitlines()
    assert lines[:6] == [
        "template              model  answers  share kept  kept  near copy  refused  tokens in  tokens out",
        "prompt/paraphrase@ab  m      4        75%         3     1          0        40         20",
        "prompt/restyle@cd     m      2        0%          0     0          2        20         4",
        "",
        "model  calls  tokens in  tokens out  cost",
        "m      6      60         24          1.25",
    ]
    shown = "\n".join(lines[6:])
    for cell in ("prompt/paraphrase", "near_copy", "similarity 0.99", "How [do] I?", "how [do] i"):
        assert cell in shown
    assert all(len(line) <= 60 for line in lines[7:])


def test_without_examples_there_is_no_third_part():
    assert statistics_page(CacheStatistics(FOUND.asked, {}, [])).count("\n") == 2


def test_an_empty_cache_says_so():
    assert statistics_page(CacheStatistics([], {}, [])) == "The cache is empty."


def test_a_text_cannot_steer_the_terminal():
    assert printable("a\x1b[31mb\u202ec\nd\te") == "a\ufffd[31mb\ufffdc\nd\ufffde"
    assert printable("x" * (LONGEST + 1)) == "x" * LONGEST + " ..."
