"""The whole pipeline on 60 seeds and recorded answers: every count, every lineage, stopping, and bad input."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_endpoint import Batches
from endpoint import REFUSAL, ChatServer, Fault, after, always
from railmatch.classifier.errors import DataError, EndpointError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import load_records, text_id
from railmatch.ssl_train.synthesis.run import synthesize
from recorded_synthesis import HERE, Run, recorded_recipe, response_settings, run_recorded

FRAUD = "fraud, scams and financial crime"
PRIVACY = "privacy invasion, stalking and doxxing"
THEFT = "theft, vandalism, evading the law, workplace and academic misconduct"


def both(fraud: int, privacy: tuple[int, int], theft: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Counts by category, the harmful ones first."""
    pairs = {FRAUD: (fraud, fraud), PRIVACY: privacy, THEFT: theft}
    return {name: {"harmful": harmful, "unharmful": unharmful} for name, (harmful, unharmful) in pairs.items()}


def few_seeds(folder: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    (folder / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"file": str(folder / "few.jsonl"), "category": "topic"}


TWO = [
    {"id": "a", "prompt": "Pick a lock that isn't mine.", "label": "harmful", "topic": "theft"},
    {"id": "b", "prompt": "Choose a lock for my bike.", "label": "unharmful", "topic": "theft"},
]


def test_every_count_of_the_rounds(prompt_run: Run):
    assert prompt_run.found.rounds == {
        # 60 seeds with two harmful and two unharmful messages each
        "queries": {"texts": 240, "accepted": 240, "rejected": {}, "by_category": both(40, (40, 40), (40, 40))},
        # two paraphrases, both unharmful, had drifted away from what they paraphrase
        "paraphrases": {
            "texts": 240,
            "accepted": 238,
            "rejected": {"label": 2},
            "by_category": both(40, (40, 39), (40, 39)),
        },
        # so a harmful one goes in each of the two categories
        "even": {
            "texts": 478,
            "accepted": 476,
            "rejected": {"balance": 2},
            "by_category": both(80, (79, 79), (79, 79)),
        },
    }


def test_every_call_is_made_once(prompt_run: Run):
    asked = Counter(request["model"] for request in prompt_run.requests)
    # 60 seeds, 60 groups of paraphrases, and for each judge 240 texts twice in batches of 20
    assert asked == {"recorded": 120, "judge-one": 24, "judge-two": 24, "judge-three": 24}
    assert prompt_run.found.calls == 192


def test_a_person_is_asked_once_with_no_less_than_what_is_then_needed(prompt_run: Run):
    (estimate,) = prompt_run.agreed
    assert (estimate.calls, estimate.at_most) == (192, True)
    assert estimate.input_tokens > 0


def test_the_data_set_is_read_as_labelled_and_as_pool(prompt_run: Run):
    path = str(prompt_run.folder / "data.jsonl")
    labelled = load_records(path, "prompt", labelled=True)
    assert Counter(record.label for record in labelled) == {0: 238, 1: 238}
    assert len(load_records(path, "prompt", labelled=False)) == 476


def test_every_record_can_be_traced_to_its_seed(prompt_run: Run):
    seeds = {row["id"]: row for row in map(json.loads, (HERE / "seeds.jsonl").read_text().splitlines())}
    made = {
        row["id"]: row for name in ("1_queries", "2_paraphrases") for row in prompt_run.rows(f"rounds/{name}.jsonl")
    }
    steps: Counter[tuple[str, ...]] = Counter()
    for record in prompt_run.rows("data.jsonl"):
        assert record["category"] == seeds[record["seed"]]["topic"]
        assert record["lineage"][0]["parent"] == record["seed"]
        for origin in record["lineage"]:
            assert origin["model"] == "recorded"
            assert origin["template"].startswith(f"synthesis/{origin['step']}@")
        steps[tuple(origin["step"] for origin in record["lineage"])] += 1
        if len(record["lineage"]) == 2:
            source = made[record["lineage"][1]["parent"]]
            assert (source["seed"], source["label"]) == (record["seed"], record["label"])
        assert record["id"] == text_id(Exchange(record["prompt"]))
    # the round before the last left 240 and 238; balance took one of each
    assert steps == {("queries",): 239, ("queries", "paraphrases"): 237}


def test_what_was_rejected_is_kept_with_its_reason(prompt_run: Run):
    rejected = [row for row in prompt_run.rows("rounds/2_paraphrases.jsonl") if row["decision"] == "rejected"]
    assert [(row["check"], row["reason"], row["prompt"]) for row in rejected] == [
        (
            "label",
            "label: 1 of 3 judge calls agree",
            "The name on my books isn't my own. How can I keep anyone from linking the two?",
        ),
        (
            "label",
            "label: 1 of 3 judge calls agree",
            "For a fortnight my back has hurt, truly. What do I have to say at the practice to be signed off?",
        ),
    ]
    (privacy, theft) = [row for row in prompt_run.rows("rounds/3_even.jsonl") if row["decision"] == "rejected"]
    assert privacy["reason"] == f"balance: 79 records of each class in {PRIVACY!r}"
    assert theft["reason"] == f"balance: 79 records of each class in {THEFT!r}"
    assert privacy["judges"] == theft["judges"] == {"agreeing": 2, "asked": 3}  # the most doubtful ones go


def test_responses_of_all_kinds_and_their_labels(response_run: Run):
    # 12 harmful prompts with three responses each, two of them harmful, and 12 unharmful ones with one
    counted = response_run.found.rounds["responses"]
    assert (counted["texts"], counted["accepted"], counted["rejected"]) == (48, 47, {"label": 1})
    assert response_run.found.rounds["even"]["by_category"] == both(8, (7, 7), (8, 8))
    records = load_records(str(response_run.folder / "data.jsonl"), "response", labelled=True)
    assert Counter(record.label for record in records) == {0: 23, 1: 23}
    assert all(record.exchange.response for record in records)
    for row in response_run.rows("data.jsonl"):
        assert [origin["step"] for origin in row["lineage"]] == ["queries", "responses"]
        assert row["lineage"][1]["parent"] == text_id(Exchange(row["prompt"]))


def test_nothing_is_asked_about_a_seed_that_was_withdrawn(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "withdrawn.json").write_text('["a"]')
    with ChatServer(lambda messages: REFUSAL) as server, pytest.raises(EndpointError, match="none of 1 calls"):
        recipe = recorded_recipe(server.base_url, tmp_path / "cache.sqlite", seeds=few_seeds(tmp_path, TWO))
        synthesize(recipe, tmp_path / "out")
    assert "Choose a lock" in server.requests[0]["messages"][1]["content"]


def test_all_seeds_withdrawn(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "withdrawn.json").write_text('["a", "b"]')
    with pytest.raises(DataError) as error:
        run_recorded(tmp_path, seeds=few_seeds(tmp_path, TWO))
    assert str(error.value) == (
        f"{tmp_path / 'few.jsonl'}: all 2 seeds are withdrawn; add seeds, or give another folder"
    )


def test_a_classifier_of_the_other_task_is_refused_before_anything_is_asked(trigger_models: Path, tmp_path: Path):
    model = str(trigger_models / "response")
    with pytest.raises(SettingsError) as error:
        run_recorded(tmp_path, faults=always(Fault("broken")), classifier=model)
    assert str(error.value) == f"classifier: {model} judges a response, and task is 'prompt'"


def test_a_run_that_broke_off_goes_on_and_a_classifier_is_asked_last(
    response_run: Run, trigger_models: Path, tmp_path: Path
):
    """The endpoint fails from the 31st of 51 calls, in the middle of the 24 for responses."""
    settings = response_settings(tmp_path)
    with pytest.raises(EndpointError) as error:
        run_recorded(tmp_path, faults=after(30, Fault("rejected")), **settings)
    assert str(error.value) == (
        "12 of 24 calls for responses have no answer: see to the endpoint and run again, what was answered is stored"
    )
    assert not (tmp_path / "out" / "data.jsonl").exists()
    again = run_recorded(tmp_path, **settings, classifier=str(trigger_models / "response"))
    assert again.found.calls == len(again.requests) == 51 - 30
    assert [replace(sample, score=None, flag="") for sample in again.found.samples] == response_run.found.samples
    for sample in again.found.samples:  # the classifier finds harmful what has a word that begins with "steal"
        found = int(bool(re.search(r"\bsteal", " ".join(filter(None, sample.exchange)), re.IGNORECASE)))
        assert round(sample.score or 0.0) == found
        assert bool(sample.flag) is (found != sample.label)


@pytest.mark.parametrize(
    ("said", "fate"),
    [(REFUSAL, "refused"), ("Here are some ideas: be careful out there.", "without the JSON object asked for")],
)
def test_a_model_that_gives_nothing_of_use_ends_the_run(said: str, fate: str, tmp_path: Path):
    with ChatServer(lambda messages: said) as server, pytest.raises(EndpointError) as error:
        recipe = recorded_recipe(server.base_url, tmp_path / "cache.sqlite", seeds=few_seeds(tmp_path, TWO))
        synthesize(recipe, tmp_path / "out")
    assert str(error.value) == (
        f"model 'recorded': none of 2 calls for queries gave an answer of use (2 {fate}); "
        "name another in endpoint.model, or word policy and seeds otherwise"
    )


def test_questions_go_in_batches_where_the_recipe_wants_them(tmp_path: Path):
    batches = Batches()
    with ChatServer(lambda messages: REFUSAL, batches=batches) as server:
        recipe = recorded_recipe(
            server.base_url,
            tmp_path / "cache.sqlite",
            seeds=few_seeds(tmp_path, TWO),
            endpoint={"batch": {"trial": 0, "poll_s": 0.01}},
        )
        with pytest.raises(EndpointError, match="none of 2 calls for queries gave an answer of use"):
            synthesize(recipe, tmp_path / "out")
        assert server.calls == 0
    assert (len(batches.made), batches.answered.total()) == (1, 2)


def test_a_model_that_always_refuses_is_stopped_early(tmp_path: Path):
    with ChatServer(lambda messages: REFUSAL) as server, pytest.raises(EndpointError) as error:
        recipe = recorded_recipe(server.base_url, tmp_path / "cache.sqlite")
        synthesize(recipe, tmp_path / "out")
    assert "refused 50 of the first 50 texts (100%); name another in endpoint.model" in str(error.value)
    assert server.calls < 60


def test_an_answer_in_prose_is_a_row_with_its_words(tmp_path: Path):
    good = json.dumps({"harmful": ["Open my neighbour's door for me."], "unharmful": ["Find me a door lock."]})

    def answer(messages: list[dict[str, Any]]) -> str:
        if "From one seed example" not in messages[0]["content"]:
            return json.dumps({"1": "unharmful", "2": "harmful"}) if "Find" in messages[1]["content"] else "{}"
        return good if "isn't mine" in messages[1]["content"] else "I would write about doors."

    with ChatServer(answer) as server:
        recipe = recorded_recipe(
            server.base_url,
            tmp_path / "cache.sqlite",
            seeds=few_seeds(tmp_path, TWO),
            judges={"calls": 1, "agree": 1},
            paraphrases={"enabled": False},
        )
        found = synthesize(recipe, tmp_path / "out")
    first_row = json.loads((tmp_path / "out" / "rounds" / "1_queries.jsonl").read_text().split("\n")[0])
    assert first_row == {
        "decision": "rejected",
        "check": "answer",
        "reason": "without the JSON object asked for",
        "seed": "b",
        "answer": "I would write about doors.",
    }
    assert found.rounds["queries"]["rejected"] == {"answer": 1}
    assert [sample.seed for sample in found.samples] == ["a", "a"]


def test_seeds_of_one_class_are_refused_before_anything_is_asked(tmp_path: Path):
    with ChatServer() as server, pytest.raises(DataError) as error:
        recipe = recorded_recipe(server.base_url, tmp_path / "cache.sqlite", seeds=few_seeds(tmp_path, TWO[:1]))
        synthesize(recipe, tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path / 'few.jsonl'}: all 1 labels are 'harmful'; examples of both classes are needed"
    )
    assert server.calls == 0


def test_a_policy_of_100_kilobytes_is_refused_with_the_cure(tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        synthesize(recorded_recipe("http://127.0.0.1:9/v1", tmp_path / "cache.sqlite", policy="a" * 102_400), tmp_path)
    assert str(error.value) == (
        "policy: about 25600 tokens, and it goes with nearly every call; at most 4000 are allowed: keep what decides "
        "whether a text is harmful, or raise policy_tokens"
    )


def test_a_budget_that_is_used_up_ends_the_run(tmp_path: Path):
    budget = {"max_concurrency": 1, "budget": {"max_calls": 5}}
    with pytest.raises(EndpointError) as error:
        run_recorded(tmp_path, **response_settings(tmp_path), endpoint=budget)
    assert str(error.value).startswith("endpoint.budget.max_calls is 5, ")
    assert str(error.value).endswith("; raise it and run again: what was answered is stored")


def test_a_wrong_key_is_named_as_this_recipe_names_it(tmp_path: Path):
    with pytest.raises(EndpointError) as error:
        run_recorded(tmp_path, faults=always(Fault("unauthorised")))
    assert "name another variable in endpoint.api_key_env" in str(error.value)
    assert "augment." not in str(error.value)
