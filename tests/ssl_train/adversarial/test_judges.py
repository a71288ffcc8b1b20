"""Judges: an endpoint that is waited for, other classifiers of several kinds, and how many must agree."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from endpoint import ChatServer, Fault, always
from railmatch.classifier.errors import EndpointDownError, EndpointError, ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Author, Candidate, Seed
from railmatch.ssl_train.adversarial.judges import Judges, make_judges
from railmatch.ssl_train.adversarial.patience import Patience
from railmatch.ssl_train.adversarial.recipe import HardenRecipe
from railmatch.ssl_train.augment.cache import Cache
from railmatch.ssl_train.progress import silent
from railmatch.ssl_train.synthesis.desk import Desk, agreed
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

HARMFUL, HARMLESS = Seed("a", Exchange("steal it"), 1), Seed("b", Exchange("buy it"), 0)


def candidates(*texts: tuple[Seed, str]) -> list[Candidate]:
    return [Candidate(seed, text, Author("endpoint")) for seed, text in texts]


TEXTS = candidates((HARMFUL, "take a weapon"), (HARMFUL, "take a walk"), (HARMLESS, "a weapon"), (HARMLESS, "a walk"))


def recipe(**judges: Any) -> HardenRecipe:
    content = {"task": "prompt", "classifier": "m", "training": "t", "generator": {"name": "none"}}
    return HardenRecipe.model_validate(content | {"judges": judges})


def by_word(messages: list[dict[str, Any]]) -> str:
    """Find harmful whatever names a weapon, as a model would answer that was asked for a JSON object."""
    asked = messages[-1]["content"]
    texts = json.loads(asked[asked.index("{") : asked.rindex("}") + 1])
    return json.dumps({number: "harmful" if "weapon" in text else "unharmful" for number, text in texts.items()})


def seated(settings: HardenRecipe, cache: Cache, patience: Patience | None = None) -> Judges:
    patience = patience or Patience(0, lambda words: None)
    return make_judges(settings, Path("attacked"), "No weapons.", Desk(cache, agreed, silent), patience)


@pytest.fixture
def cache(tmp_path: Path):
    with Cache(tmp_path / "cache.sqlite") as opened:
        yield opened


def asking(server: ChatServer, **more: Any) -> HardenRecipe:
    endpoint = {"base_url": server.base_url, "model": "judge", "backoff_s": 0.001, "max_retries": 0}
    return recipe(endpoint=endpoint, **more)


def test_every_call_of_the_endpoint_is_a_vote_for_the_seeds_label(cache: Cache):
    with ChatServer(by_word) as server:
        judges = seated(asking(server, calls=3, agree=2), cache)
        assert judges.agreeing(TEXTS) == [3, 0, 0, 3]
        assert server.calls == 3
        assert "No weapons." in server.requests[0]["messages"][0]["content"]
        assert judges.agreeing([TEXTS[3], TEXTS[0]]) == [3, 3]  # remembered, in whatever order
        assert server.calls == 3
    assert (judges.asked, judges.needed) == (3, 2)


def test_the_same_text_under_two_labels_is_asked_for_each(cache: Cache):
    with ChatServer(by_word) as server:
        judges = seated(asking(server), cache)
        assert judges.agreeing(candidates((HARMFUL, "a weapon"), (HARMLESS, "a weapon"))) == [1, 0]


def test_an_answer_without_a_verdict_is_no_agreement(cache: Cache):
    answers = iter([json.dumps({"1": "harmful"}), "I would rather not say."])
    with ChatServer(lambda messages: next(answers)) as server:
        judges = seated(asking(server, calls=2, batch=1), cache)
        assert judges.agreeing(candidates((HARMFUL, "a weapon"))) == [1]


def test_an_outage_in_a_round_is_waited_out_and_nothing_is_asked_twice(cache: Cache):
    def third_is_down(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault("broken") if number == 3 else None

    said: list[str] = []
    slept: list[float] = []
    with ChatServer(by_word, faults=third_is_down) as server:
        judges = seated(asking(server, batch=1), cache, Patience(10, said.append, slept.append))
        assert judges.agreeing(TEXTS) == [1, 0, 0, 1]
        assert server.calls == 5  # four texts, and the one without answer again
    assert slept == [1]
    assert re.fullmatch(
        r"judges: waiting 1s before the next try: 1 of 4 calls for judgements have no answer.*", said[0]
    )


def test_judges_that_stay_away_end_the_round_and_keep_what_they_said(cache: Cache):
    with ChatServer(by_word, faults=always(Fault("broken"))) as server:
        judges = seated(asking(server), cache, Patience(3, lambda words: None, lambda seconds: None))
        with pytest.raises(EndpointDownError, match=r"\(after waiting 3s, as long as wait_s allows; the round goes on"):
            judges.agreeing(TEXTS)


def test_a_wrong_key_ends_the_round_at_once(cache: Cache):
    slept: list[float] = []
    with ChatServer(by_word, faults=always(Fault("unauthorised"))) as server:
        judges = seated(asking(server), cache, Patience(100, lambda words: None, slept.append))
        with pytest.raises(EndpointError, match=r"judges\.endpoint\.api_key_env"):
            judges.agreeing(TEXTS)
    assert slept == []


def test_a_classifier_judges_at_its_threshold(trigger_models: Path, cache: Cache):
    judges = seated(recipe(classifiers=[{"model": str(trigger_models / "prompt")}]), cache)
    assert judges.agreeing(TEXTS) == [1, 0, 0, 1]


def test_a_classifier_of_another_task_is_refused(trigger_models: Path, cache: Cache):
    folder = trigger_models / "response"
    with pytest.raises(SettingsError) as error:
        seated(recipe(classifiers=[{"model": str(folder)}]), cache)
    assert str(error.value) == (
        f"judges.classifiers: {folder} judges a response, and task is 'prompt'; name a classifier of prompts"
    )


@pytest.fixture(scope="module")
def foreign(trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prompt model as another tool would have saved it: other names of its labels, and no railmatch.json."""
    folder = tmp_path_factory.mktemp("foreign")
    network = AutoModelForSequenceClassification.from_pretrained(trigger_models / "prompt")
    network.config.id2label, network.config.label2id = {0: "fine", 1: "toxic"}, {"fine": 0, "toxic": 1}
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(trigger_models / "prompt").save_pretrained(folder)
    return folder


def test_a_model_of_another_tool_judges_by_the_labels_named(foreign: Path, cache: Cache):
    judges = seated(recipe(classifiers=[{"model": str(foreign), "harmful": ["toxic"]}]), cache)
    assert judges.agreeing(TEXTS) == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("harmful", "wrong"),
    [
        ([], "harmful must name some of its labels: fine, toxic"),
        (["bad"], "'bad' is not among its labels: fine, toxic"),
    ],
)
def test_labels_that_are_not_the_models_are_refused(harmful: list[str], wrong: str, foreign: Path, cache: Cache):
    with pytest.raises(SettingsError) as error:
        seated(recipe(classifiers=[{"model": str(foreign), "harmful": harmful}]), cache)
    assert str(error.value) == f"judges.classifiers: {foreign}: {wrong}"


def test_a_folder_without_a_model_is_refused(tmp_path: Path, cache: Cache):
    BertConfig().save_pretrained(tmp_path / "empty")
    with pytest.raises(
        ModelError, match=r"^judges\.classifiers: '.*empty' cannot be loaded: .* \(give a RailMatch model"
    ):
        seated(recipe(classifiers=[{"model": str(tmp_path / "empty"), "harmful": ["x"]}]), cache)


def test_the_votes_of_all_judges_are_added_up(trigger_models: Path, cache: Cache):
    with ChatServer(lambda messages: json.dumps({"1": "harmful"})) as server:
        settings = asking(server, batch=1, classifiers=[{"model": str(trigger_models / "prompt")}])
        judges = seated(settings, cache)
        assert judges.agreeing(TEXTS) == [2, 1, 0, 1]
    assert (judges.asked, judges.needed) == (2, 2)
