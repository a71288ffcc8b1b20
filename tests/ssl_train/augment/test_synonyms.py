"""Synonyms: the words nearest in an encoder's token embeddings, which the tests set by hand."""

from pathlib import Path

import pytest
import torch
from railmatch.classifier.errors import ModelError
from railmatch.ssl_train.augment.synonyms import nearest_words
from transformers import AutoModel, AutoTokenizer


@pytest.fixture
def encoder(tiny_encoder: Path, tmp_path: Path) -> str:
    """The tiny encoder with words in known directions: all others are at right angles to the plane of these."""
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_encoder), AutoModel.from_pretrained(tiny_encoder)
    degrees = {"street": 0, "road": 10, "house": 20, "hospital": 30, "home": 40, "the": 5, "of": 5}
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table[:, :2] = 0
        for word, angle in degrees.items():
            at = torch.tensor(angle).deg2rad()
            # lengths must not matter
            table[tokenizer.convert_tokens_to_ids(word)] = (angle + 1) * torch.stack(
                [at.cos(), at.sin(), *[at * 0] * 30]
            )
    tokenizer.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    return str(tmp_path)


def test_the_nearest_words_come_first_and_stop_words_never(encoder: str):
    """From "street" (0 degrees) the angles are 10, 20 and 30; from "home" (40) they are 10, 20 and 30 as well."""
    found = nearest_words({"street", "home"}, encoder)
    assert found == {"street": ["road", "house", "hospital"], "home": ["hospital", "house", "road"]}


def test_stop_words_unknown_words_and_pieces_of_words_have_no_synonyms(encoder: str):
    assert nearest_words({"the", "of", "skyscraper", "a", "s", "[CLS]"}, encoder) == {}
    assert nearest_words(set(), encoder) == {}


def test_forms_of_the_word_itself_are_no_synonyms(encoder: str):
    """ "threaten" is "threat" + 2 letters; no other word of the vocabulary begins like "teach" but "tea"."""
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder)
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        for word in ("teach", "tea", "learn"):
            table[tokenizer.convert_tokens_to_ids(word)] = torch.ones(32)
    model.save_pretrained(encoder)
    near = nearest_words({"teach"}, encoder)["teach"]
    assert near[0] == "learn"
    assert "tea" not in near


def test_an_encoder_that_cannot_be_loaded_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="encoder '/nowhere/model' is not a folder"):
        nearest_words({"street"}, "/nowhere/model")
