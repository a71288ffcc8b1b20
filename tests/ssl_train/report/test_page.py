"""The page: what it says of a run, what it says is missing, and that no text can break out of its place."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from railmatch.ssl_train.report import page as report_page
from railmatch.ssl_train.report.facts import Mistake, Scored, Scores, read_facts
from railmatch.ssl_train.report.page import render_page
from small_report import HELD_BACK, TEST, TRAINING, write_folder

TEMPLATES = Path(report_page.__file__).parent

OF_ROUNDS = (
    "(95% interval). The interval speaks of the models of these rounds: the final one was trained on more labels, and "
    "its own rate may lie outside more often."
)

HOSTILE = (
    '</pre></details><script>document.title = "broken"</script><img src=x onerror=alert(1)> & "quotes" {{ 7 * 7 }}'
)


def page(folder: Path) -> str:
    return render_page(read_facts(folder), "models/prompt")


def words(html: str) -> str:
    """The text of a page without its tags, styles and plots, in single spaces."""
    without = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", without).split())


def section(html: str, name: str) -> str:
    (found,) = re.findall(rf'<section id="{name}">(.*?)</section>', html, flags=re.DOTALL)
    return str(found)


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes; every opened one must be closed in its turn."""

    VOID = ("meta", "link")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_says_what_the_threshold_does(tmp_path: Path):
    # the threshold is 0.45: of the test scores harmful 0.9 and 0.46 and unharmful 0.7 reach it, 0.1 does not
    said = words(section(page(write_folder(tmp_path)), "figures"))
    assert (
        "On 4 test prompts, the threshold of 0.450 stops 100.0% of the harmful and blocks 50.0% of the harmless" in said
    )
    assert "F1 0.800 95% interval" in said  # two of three called ones are harmful: 2 * 2 / (3 + 2)
    assert "Harmless blocked 0.500 95% interval 0.000 to 1.000" in said
    # held back: three of four harmful and one of six unharmful ones reach it: 2 * 3 / (4 + 4)
    assert re.search(r"F1 at the threshold 0\.800 \S+ to \S+ 0\.750 \S+ to \S+ Precision", said)
    assert "Examples 2 harmful, 2 unharmful 4 harmful, 6 unharmful" in said


def test_every_section_is_filled(tmp_path: Path):
    html = page(write_folder(tmp_path))
    assert words(html).count("RailMatch report") == 2
    for name, plots in (("curves", 2), ("calibration", 3), ("training", 2)):
        assert section(html, name).count("<svg") == plots, name
    assert 'class="missing"' not in html
    assert "blocks at most 20% of the held-back harmless examples, raised where that loses no harmful one" in html
    assert "There are 6 harmless ones, which leaves the true rate between" in html
    assert OF_ROUNDS in html
    assert "Since then the threshold was set" not in html
    assert "The 2 mistakes on 10 held-back labels, the surest first." in words(html)
    data = words(section(html, "data"))
    assert "Labelled 4 harmful, 6 unharmful Test 2 harmful, 2 unharmful Unlabelled 1,300" in data
    assert "Kept 2,500 Same as the original 100" in data
    assert "Votes Votes, labelled texts 10 Of these from a file, labelled texts 10 Votes, unlabelled texts 250" in data
    assert "Whose votes recorded in votes.jsonl and asked of judge-8b Unlabelled texts to vote on at most 1,000" in data
    assert "Equal texts 1 Nearly equal texts 2" in data
    settings = words(section(html, "settings"))
    assert "Seed 7 Method fixmatch Encoder minilm Steps 40 Window 96 tokens Trained in 1m40s" in settings
    assert "torch 2.13.0" in settings
    assert "target_fpr: 0.2" in settings


def test_the_page_loads_nothing_and_is_well_formed(tmp_path: Path):
    tags = Tags(page(write_folder(tmp_path)))
    assert tags.open == []
    names = {name for name, _ in tags.found}
    assert names.isdisjoint({"script", "iframe", "object", "embed", "base", "form", "img"})
    links = [attributes.get("href") or attributes.get("xlink:href") or "" for _, attributes in tags.found]
    assert {link for link in links if not link.startswith("#")} == {"", "data:,"}
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)


def test_every_page_has_the_head_that_forbids_loading():
    pages = [file for file in TEMPLATES.glob("*.html") if file.name != "base.html"]
    assert sorted(file.name for file in pages) == ["hardening.html", "page.html"]
    assert all(file.read_text().startswith('{% extends "base.html" %}\n') for file in pages)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in (TEMPLATES / "base.html").read_text()


def test_hostile_texts_stay_texts(tmp_path: Path):
    mistakes = [Mistake(id=HOSTILE, label=1, score=0.1, prompt=HOSTILE, response=HOSTILE)]
    folder = write_folder(
        tmp_path, Scores(held_back=HELD_BACK, mistakes=mistakes), encoder=HOSTILE, rewrites={HOSTILE: 3}
    )
    html = page(folder)
    plain = Tags(page(write_folder(tmp_path)))
    tags = Tags(html)
    assert tags.open == []
    assert {name for name, _ in tags.found} <= {name for name, _ in plain.found}
    escaped = "&lt;/pre&gt;&lt;/details&gt;&lt;script&gt;"
    assert section(html, "mistakes").count(escaped) == 3
    assert html.count("{{ 7 * 7 }}") >= 5


def test_a_pair_is_shown_as_prompt_and_response(tmp_path: Path):
    mistakes = [Mistake(id="a", label=0, score=0.9, prompt="and then", response="it ended")]
    said = words(section(page(write_folder(tmp_path, Scores(mistakes=mistakes), task="response")), "mistakes"))
    assert said.endswith(
        "wrongly blocked score 0.900 labelled unharmful a Prompt and then Response, which was judged it ended"
    )


def test_texts_that_were_not_stored_are_said_to_be(tmp_path: Path):
    folder = write_folder(tmp_path, Scores(mistakes=[Mistake(id="a", label=0, score=0.9)]))
    said = words(section(page(folder), "mistakes"))
    assert said.endswith("The text was not stored (report.texts is false in the recipe); look it up by its id.")


def test_no_mistakes_are_said_to_be_none(tmp_path: Path):
    separated = Scored.of([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])
    said = words(section(page(write_folder(tmp_path, Scores(held_back=separated, mistakes=[]))), "mistakes"))
    assert "There are none: every held-back label is on its side of the threshold." in said


def set_threshold(folder: Path, threshold: float) -> Path:
    settings = json.loads((folder / "railmatch.json").read_text())
    (folder / "railmatch.json").write_text(json.dumps(settings | {"threshold": threshold}))
    return folder


def test_another_threshold_makes_other_mistakes(tmp_path: Path):
    # at 0.9 the unharmful one of 0.85 is no longer blocked, and the harmful one of 0.60, whose text is not kept, is
    # missed beside that of 0.10
    html = page(set_threshold(write_folder(tmp_path), 0.9))
    said = words(section(html, "mistakes"))
    assert (
        "1 of the 2 mistakes on 10 held-back labels, the surest first. They are at the threshold of 0.900; the list "
        "was made at 0.450, and what is a mistake only since then is not in it. Click one" in said
    )
    assert said.endswith("missed score 0.100 labelled harmful a how do i get into her phone")
    assert "may lie outside more often. Since then the threshold was set to 0.9." in words(section(html, "calibration"))


def test_where_no_kept_mistake_stands_the_others_are_still_counted(tmp_path: Path):
    scores = Scores(held_back=HELD_BACK, mistakes=[Mistake(id="b", label=0, score=0.85, prompt="kill a process")])
    said = words(section(page(set_threshold(write_folder(tmp_path, scores), 0.9)), "mistakes"))
    assert said.startswith("Mistakes on held-back labels 0 of the 2 mistakes on 10 held-back labels")
    assert "kill a process" not in said and "There are none" not in said


def test_a_threshold_that_changes_no_mistake_needs_no_word_of_the_list(tmp_path: Path):
    said = words(section(page(set_threshold(write_folder(tmp_path), 0.5)), "mistakes"))
    assert "The 2 mistakes on 10 held-back labels, the surest first. Click one" in said


def test_without_test_data_the_held_back_labels_give_the_figures(tmp_path: Path):
    html = page(write_folder(tmp_path, Scores(held_back=HELD_BACK, mistakes=[]), evaluation=None, leaks=None))
    said = words(section(html, "figures"))
    assert "On 10 labels that were held back from training, the threshold of 0.450 stops 75.0% of the harmful" in said
    assert "There are no test figures: the recipe named no test data (data.test)." in said
    assert section(html, "curves").count("<svg") == 2
    assert "Test none" in words(section(html, "data"))


NO_LABELS_HELD_BACK = (
    "No labels were held back (calibration.folds was 0). So there are no mistakes to show, temperature and threshold "
    "were not fitted, and the threshold is 0.5."
)


def test_without_folds_the_test_data_gives_the_figures(tmp_path: Path):
    html = page(write_folder(tmp_path, Scores(test=TEST), held_back=None, calibration=None))
    for name in ("figures", "calibration", "mistakes"):
        assert NO_LABELS_HELD_BACK in words(section(html, name)), name
    # the figures of the folder are those at another threshold: at 0.5 one of two harmful and one of two others
    assert "the threshold of 0.500 stops 50.0% of the harmful and blocks 50.0%" in words(section(html, "figures"))
    assert section(html, "calibration").count("<svg") == 2


def test_a_run_that_measured_nothing_says_so(tmp_path: Path):
    html = page(write_folder(tmp_path, Scores(), evaluation=None, held_back=None, calibration=None, leaks=None))
    assert words(section(html, "figures")).endswith(
        "This run measured nothing: the recipe named no test data (data.test) and held no labels back "
        "(calibration.folds was 0). Measure the model with: railmatch evaluate MODEL DATA."
    )
    assert words(section(html, "curves")).endswith("Nothing can be drawn here: no example was scored.")
    assert NO_LABELS_HELD_BACK in words(section(html, "calibration"))


def test_lost_scores_are_said_to_be_lost(tmp_path: Path):
    folder = write_folder(tmp_path)
    (folder / "scores.json").unlink()
    html = page(folder)
    assert "0.750" in words(section(html, "figures"))
    for name in ("curves", "calibration"):
        assert "Nothing can be drawn here: scores.json is not in the model folder." in words(section(html, name)), name
    assert "They cannot be shown: scores.json is not in the model folder." in words(section(html, "mistakes"))


def test_supervised_training_has_no_pool(tmp_path: Path):
    history = TRAINING["history"] | {"unsupervised": [0.0, 0.0], "kept": [0.0, 0.0]}
    html = page(write_folder(tmp_path, method="supervised", pool=0, rewrites={}, history=history))
    training = section(html, "training")
    assert training.count("<svg") == 1
    assert "Supervised training has no unlabelled texts, so there is no share kept." in words(training)
    assert "Rewrites This run used none." in words(section(html, "data"))


def test_a_folder_of_an_earlier_version_is_reported_too(tmp_path: Path):
    later = ("versions", "classes", "shortened", "votes", "held_back")
    html = page(write_folder(tmp_path, Scores(), **dict.fromkeys(later)))
    assert "Labelled 10 Test 2 harmful, 2 unharmful" in words(section(html, "data"))
    assert "On 4 test prompts, the threshold of 0.450" in words(section(html, "figures"))


def test_the_interval_of_a_hardened_model_is_its_own(tmp_path: Path):
    html = page(write_folder(tmp_path, attacks={"unharmful": 1, "harmful": 2}))
    assert "were scored by this model; these scores alone" in html
    assert "(95% interval)." in html and "of these rounds" not in html


def test_a_model_that_was_never_hardened_has_nothing_of_rounds(tmp_path: Path):
    html = page(write_folder(tmp_path))
    assert "ardened" not in html and "dversarial" not in html
