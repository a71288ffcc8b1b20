"""Strong views of a pool: strategies with and without an endpoint, mixed, and what texts without a rewrite get."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import TrainingTexts
from railmatch.ssl_train.recipe import EdaSettings, Recipe
from railmatch.ssl_train.strong_texts import StrongTexts, eda_views, gather_strong_texts

POOL = [
    Record("x", Exchange("how do i steal a cake from my neighbour today")),
    Record("y", Exchange("please write a letter to my boss about money")),
    Record("z", Exchange("where can i buy a new lock for the door")),
]
REWRITE = Exchange("tell me how to take my neighbour's cake")


@pytest.fixture
def gather(tiny_encoder: Path, tmp_path: Path):
    def gather(
        *, recorded=None, votes: dict[str, int] | None = None, method: str = "fixmatch", **augment
    ) -> StrongTexts:
        recorded = {"x": [REWRITE]} if recorded is None else recorded
        recipe = Recipe.model_validate(
            {
                "task": "prompt",
                "encoder": str(tiny_encoder),
                "data": {"labelled": "l.jsonl", "unlabelled": "u.jsonl"},
                "augment": {"strategy": ["paraphrase"], "cache": str(tmp_path / "cache.sqlite"), **augment},
                "method": {"name": method},
            }
        )
        return gather_strong_texts(recipe, TrainingTexts([], POOL, recorded, votes or {}))

    return gather


def variants(gathered: StrongTexts, identity: str) -> list[Exchange]:
    """The strong views of a text, which are none of its rewrite and not the text."""
    views = list(gathered.rewrites[identity])
    (text,) = (record.exchange for record in POOL if record.id == identity)
    assert REWRITE not in views
    assert text not in views
    return views


def test_a_text_without_rewrite_is_its_own_strong_view_at_first(gather):
    gathered = gather()
    assert gathered.rewrites == {"x": [REWRITE]}
    assert gathered.texts.pool == POOL
    assert (gathered.counts["kept"], gathered.counts["missing"], gathered.counts["fallback"]) == (1, 2, 2)


def test_or_its_eda_variants_are(gather):
    gathered = gather(fallback="eda", eda={"variants": 3})
    assert gathered.rewrites["x"] == [REWRITE]
    assert len(variants(gathered, "y")) == len(variants(gathered, "z")) == 3
    assert (gathered.counts["fallback"], gathered.counts["eda"]) == (2, 6)
    assert gathered.texts.pool == POOL


def test_or_it_is_left_out_unless_it_has_a_vote(gather):
    assert gather(fallback="leave_out").texts.pool == POOL[:1]
    gathered = gather(votes={"z": 0}, fallback="leave_out")
    assert gathered.texts.pool == [POOL[0], POOL[2]]
    assert gathered.rewrites == {"x": [REWRITE]}
    assert gathered.counts["left_out"] == 1


def test_strategies_without_endpoint_need_no_cache(gather, tmp_path: Path):
    gathered = gather(strategy=["eda"])
    assert all(len(variants(gathered, record.id)) == 4 for record in POOL)
    assert (gathered.counts["eda"], gathered.counts["missing"], gathered.counts["fallback"]) == (12, 0, 0)
    assert not (tmp_path / "cache.sqlite").exists()


def test_identity_gives_the_text_itself(gather):
    gathered = gather(strategy=["identity"])
    assert gathered.rewrites == {record.id: [record.exchange] for record in POOL}
    assert gathered.counts["identity"] == 3


def test_strategies_with_and_without_endpoint_can_be_mixed(gather):
    gathered = gather(strategy=["eda", "paraphrase", "identity"], eda={"variants": 1})
    first, second, third = gathered.rewrites["x"]
    assert first == REWRITE  # the first strategy that is not computed has the first recorded rewrite
    assert second == POOL[0].exchange
    assert third not in (REWRITE, POOL[0].exchange)
    assert len(gathered.rewrites["y"]) == len(gathered.rewrites["z"]) == 2
    assert gathered.counts["kept"] == 1


def test_supervised_training_has_no_strong_views(gather):
    gathered = gather(method="supervised", strategy=["eda"])
    assert (gathered.texts.pool, gathered.rewrites, gathered.counts) == (POOL, {}, {})


def test_a_pool_of_which_nothing_is_left_is_refused(gather):
    with pytest.raises(DataError) as refused:
        gather(recorded={}, fallback="leave_out")
    assert str(refused.value) == (
        "none of the 3 pool texts has a rewrite, and augment.fallback is leave_out: name an endpoint in "
        "augment.endpoint or recorded rewrites in data.rewrites, or set augment.fallback to eda"
    )


def test_variants_depend_on_the_record_and_the_seed_alone(tiny_encoder: Path):
    settings, encoder = EdaSettings(), str(tiny_encoder)
    all_views = eda_views(POOL, settings, encoder=encoder, seed=1)
    assert eda_views(POOL[::-1], settings, encoder=encoder, seed=1) == all_views
    assert eda_views(POOL[1:2], settings, encoder=encoder, seed=1) == {"y": all_views["y"]}
    assert eda_views(POOL, settings, encoder=encoder, seed=2) != all_views


def test_prompt_and_response_are_changed_each_on_its_own(tiny_encoder: Path):
    pair = Record("p", Exchange("how do i open a lock", "buy a new key and call the police \ud800"))
    bare = Record("\ud800", Exchange("", "buy a new key and call the police"))
    views = eda_views([pair, bare], EdaSettings(), encoder=str(tiny_encoder), seed=0)
    assert len({view.prompt for view in views["p"]} - {pair.exchange.prompt}) == 4
    assert len({view.response for view in views["p"]} - {pair.exchange.response}) == 4
    assert {view.prompt for view in views["\ud800"]} == {""}
