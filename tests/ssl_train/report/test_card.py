"""The model card: its head is what the Hub reads, its figures are the folder's, and its examples run."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.report.card import render_card
from railmatch.ssl_train.report.facts import Scores, read_facts
from railmatch.ssl_train.run import train
from small_report import RECIPE, write_folder
from small_training import recipe, write_data


def card(folder: Path) -> str:
    return render_card(read_facts(folder))


def test_the_head_is_in_the_form_of_the_hub(tmp_path: Path):
    assert ModelCard(card(write_folder(tmp_path))).data.to_dict() == {
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "library_name": "transformers",
        "license": "unknown",
        "pipeline_tag": "text-classification",
        "tags": ["railmatch", "guardrails", "content-moderation", "safety"],
    }


@pytest.mark.parametrize(
    ("encoder", "base"),
    [("microsoft/deberta-v3-base", "microsoft/deberta-v3-base"), ("/models/mine", None), ("{here}", None)],
)
def test_a_base_model_is_named_where_it_is_one_of_the_hub(tmp_path: Path, encoder: str, base: str | None):
    written = ModelCard(card(write_folder(tmp_path, encoder=encoder.format(here=tmp_path))))
    assert written.data.base_model == base
    assert ("\nbase_model:" in written.content) == (base is not None)


def test_the_card_counts_the_data_and_shows_figures_with_intervals(tmp_path: Path):
    text = card(write_folder(tmp_path))
    assert "from 10 labelled examples and 1,300 unlabelled texts" in " ".join(text.split())
    assert "- Labelled: 4 harmful, 6 unharmful\n- Test: 2 harmful, 2 unharmful\n" in text
    assert "- Rewrites of unlabelled texts: 2,500\n" in text
    assert (
        "| | Test examples | 95% interval | Held-back labels | 95% interval |\n| --- | --- | --- | --- | --- |\n"
        in text
    )
    assert re.search(r"^\| F1 at the threshold \| 0\.800 \| \S+ to \S+ \| 0\.750 \| \S+ to \S+ \|$", text, re.MULTILINE)
    assert "blocks at most 20% of the held-back harmless examples" in text
    assert "The interval speaks of the models of these rounds: the final one was trained on more labels" in text
    assert "\n\n\n" not in text


def test_the_card_says_how_many_votes_whose_and_how_their_texts_were_chosen(tmp_path: Path):
    assert (
        "- Votes, labelled texts: 10\n"
        "- Votes, unlabelled texts: 250\n"
        "- Whose votes: recorded in votes.jsonl and asked of judge-8b\n"
        "- Unlabelled texts to vote on: at most 1,000, those of which a classifier trained on the labels alone was "
        "least certain\n"
    ) in card(write_folder(tmp_path))


@pytest.mark.parametrize(
    ("recorded", "augment", "whose", "chosen"),
    [
        ("v.jsonl", {}, "recorded in v.jsonl", "all that could have a vote"),
        (None, {"vote": True, "max_votes": 50}, "asked of m", "at most 50, drawn at random"),
    ],
)
def test_the_card_names_only_who_voted(
    tmp_path: Path, recorded: str | None, augment: dict[str, Any], whose: str, chosen: str
):
    settings = RECIPE.model_dump(mode="json", exclude={"augment"})
    settings["data"]["votes"] = recorded
    settings["augment"] = {"endpoint": {"base_url": "http://127.0.0.1:1/v1", "model": "m"}, **augment}
    made = Recipe.model_validate(settings).model_dump(mode="json")
    said = f"- Whose votes: {whose}\n- Unlabelled texts to vote on: {chosen}\n"
    assert said in card(write_folder(tmp_path, recipe=made))


def test_the_card_of_a_training_without_votes_names_none(tmp_path: Path):
    assert "vote" not in card(write_folder(tmp_path, votes={})).lower()


def test_the_card_of_a_run_that_measured_nothing_says_so(tmp_path: Path):
    text = card(write_folder(tmp_path, Scores(), evaluation=None, held_back=None, calibration=None, pool=0))
    assert "This run measured nothing: the recipe named no test data" in text
    assert "the threshold is 0.5." in text
    assert "unlabelled texts, for use" not in text
    assert "| --- |" not in text


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_the_examples_of_the_card_run_and_agree(tmp_path: Path, tiny_encoder: Path, task: str):
    write_data(tmp_path, pair=task == "response")
    train(recipe(tmp_path, tiny_encoder, task=task, training={"steps": 1}), tmp_path / "model", base=tmp_path)
    written = (tmp_path / "model/README.md").read_text()
    outputs = []
    for code in re.findall(r"```python\n(.*?)```", written, flags=re.DOTALL):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace("path/to/this/folder", str(tmp_path / "model")), {})
        outputs.append(printed.getvalue().split())
    guard, pipeline = outputs
    assert guard[0] == pipeline[0]
    assert float(guard[1]) == pytest.approx(float(pipeline[1]), abs=1e-4)
