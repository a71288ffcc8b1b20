"""Back-translation from end to end, by tiny models that translate word by word and come back with other words."""

import sqlite3
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import RewriteSet
from railmatch.ssl_train.augment.backtranslation import collect_back_translations
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.recipe import BacktranslationSettings
from translators import write_translator

THERE = {"please": "bitte", "bake": "back", "steal": "stiehl", "a": "ein", "cake.": "kuchen", "cake?": "torte"}
BACK = {"bitte": "kindly", "back": "make", "stiehl": "take", "ein": "a", "kuchen": "pie.", "torte": "cake?"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> BacktranslationSettings:
    folder = tmp_path_factory.mktemp("translators")
    forward, backward = write_translator(folder / "there", THERE), write_translator(folder / "back", BACK)
    return BacktranslationSettings(forward=str(forward), backward=str(backward))


class Steps:
    """A progress that notes what is announced and counted."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, int]] = []
        self.done = 0

    @contextmanager
    def __call__(self, description: str, total: int):
        self.noted.append((description, total))
        yield self.advance

    def advance(self, count: int) -> None:
        self.done += count


@pytest.fixture
def translate(models: BacktranslationSettings, tmp_path: Path):
    def translate(*exchanges: Exchange, settings: BacktranslationSettings = models, **more) -> RewriteSet:
        records = [Record(f"id{number}", exchange) for number, exchange in enumerate(exchanges)]
        cache = str(tmp_path / "cache.sqlite")
        return collect_back_translations(records, settings, cache, device=torch.device("cpu"), **more)

    return translate


def test_texts_come_back_in_other_words_sentence_by_sentence(translate):
    found = translate(Exchange("please bake a cake."), Exchange("steal a cake.  bake a cake?\n\n - 1.\nplease"))
    assert found.rewrites == {
        "id0": [Exchange("kindly make a pie.")],
        "id1": [Exchange("take a pie.  make a cake?\n\n - 1.\nkindly")],
    }
    assert found.counts == {"kept": 2, "from_cache": 0}


def test_what_is_no_rewrite_is_counted_and_never_used(translate):
    """A word that no model knows is lost."""
    found = translate(Exchange("a cake?"), Exchange("unknown"), Exchange("steal " * 40), Exchange("12 + 13"))
    assert found.rewrites == {}
    assert found.counts == {"unchanged": 2, "empty": 1, "too_long": 1, "from_cache": 0}


def test_prompt_and_response_are_translated_each_on_its_own(translate):
    found = translate(
        Exchange("bake a cake?", "please bake a cake."),
        Exchange("", "steal a cake."),  # the question is not known
        Exchange("a cake?", "steal a cake."),
    )
    assert found.rewrites == {
        "id0": [Exchange("make a cake?", "kindly make a pie.")],
        "id1": [Exchange("", "take a pie.")],
    }
    assert found.counts == {"kept": 2, "unchanged": 1, "from_cache": 0}


def test_a_second_run_needs_no_models_and_shows_no_progress(translate, models: BacktranslationSettings):
    texts = [Exchange("please bake a cake."), Exchange("a cake?"), Exchange("steal a cake.")]
    first, steps = translate(*texts[:2]), Steps()
    again = translate(*texts[:2], progress=steps)
    assert again.rewrites == first.rewrites
    assert again.counts == {"kept": 1, "unchanged": 1, "from_cache": 2}
    assert steps.noted == []
    assert translate(*texts, progress=steps).counts == {"kept": 2, "unchanged": 1, "from_cache": 2}
    assert (steps.noted, steps.done) == ([("Translating there and back", 1)], 1)


def test_what_was_translated_is_kept_when_a_run_is_stopped(translate, tmp_path: Path):
    texts = [Exchange("please " * number + "bake a cake.") for number in range(10)] * 7
    texts += [Exchange(f"{'steal ' * number}bake a cake?") for number in range(1, 11)]
    numbered = [Exchange(f"{text.prompt} {number}") for number, text in enumerate(texts)]  # all 80 are different

    class Stop(Steps):
        def advance(self, count: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate(*numbered, progress=Stop())
    assert sqlite3.connect(tmp_path / "cache.sqlite").execute("SELECT count(*) FROM answers").fetchone() == (64,)
    steps = Steps()
    assert translate(*numbered, progress=steps).counts["from_cache"] == 64
    assert steps.done == 16


def test_other_models_and_a_model_that_was_replaced_translate_anew(translate, models, tmp_path: Path):
    assert translate(Exchange("bake a cake.")).rewrites == {"id0": [Exchange("make a pie.")]}
    own = tmp_path / "back"
    write_translator(own, BACK | {"kuchen": "tart."})
    changed = models.model_copy(update={"backward": str(own)})
    assert translate(Exchange("bake a cake."), settings=changed).rewrites == {"id0": [Exchange("make a tart.")]}
    own.rename(tmp_path / "old")
    write_translator(own, BACK | {"kuchen": "cupcake."})
    assert translate(Exchange("bake a cake."), settings=changed).rewrites == {"id0": [Exchange("make a cupcake.")]}


def test_lone_surrogates_harm_nobody(translate):
    assert translate(Exchange("bake \ud800 a cake.")).counts == {"kept": 1, "from_cache": 0}


def test_each_model_is_named_by_its_setting(translate, models: BacktranslationSettings, tmp_path: Path):
    for role in ("forward", "backward"):
        broken = models.model_copy(update={role: str(tmp_path / "nothing")})
        with pytest.raises(ModelError, match=rf"^augment\.backtranslation\.{role}: .*/nothing' is not a folder"):
            translate(Exchange("bake a cake."), settings=broken)
