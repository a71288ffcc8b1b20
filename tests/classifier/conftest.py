"""Tiny random encoders of the families that RailMatch names, each a folder as ``AutoModel`` loads it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    DebertaV2Config,
    DebertaV2Model,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizer,
)

SPECIAL = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def byte_bpe(special: list[str]) -> Tokenizer:
    """A small byte-level BPE that knows every byte, with the special tokens first."""
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator(["how do i bake the bread", "tell me how to threaten the neighbour"], trainer)
    return backend


def bert_form(**special: str) -> PreTrainedTokenizerBase:
    """A tokenizer in BERT's form: [CLS] one [SEP] two [SEP]."""
    backend = byte_bpe(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **(special or SPECIAL))


def roberta_form() -> PreTrainedTokenizerBase:
    """A tokenizer in RoBERTa's form: <s> one </s></s> two </s>."""
    model = json.loads(byte_bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]).to_str())["model"]
    return RobertaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])


def deberta() -> DebertaV2Model:
    """DeBERTa-v3's settings: relative positions in both directions, in shared buckets, and none added to the input."""
    config = DebertaV2Config(
        **SIZES,
        vocab_size=320,
        relative_attention=True,
        position_buckets=16,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
        pooler_hidden_size=32,
    )
    return DebertaV2Model(config)


def roberta() -> RobertaModel:
    """RoBERTa's settings: positions are numbered from the padding index on, so 514 of them are 512 tokens and 2."""
    config = RobertaConfig(
        **SIZES, vocab_size=320, max_position_embeddings=514, pad_token_id=1, bos_token_id=0, eos_token_id=2
    )
    return RobertaModel(config, add_pooling_layer=False)


def modernbert() -> ModernBertModel:
    """ModernBERT's settings, with attention that is local in most layers."""
    config = ModernBertConfig(
        **SIZES, vocab_size=320, max_position_embeddings=1024, local_attention=16,
        pad_token_id=0, cls_token_id=1, bos_token_id=1, sep_token_id=2, eos_token_id=2,
    )  # fmt: skip
    return ModernBertModel(config)


FAMILIES: dict[str, Callable[[], torch.nn.Module]] = {"roberta": roberta, "deberta": deberta, "modernbert": modernbert}


@pytest.fixture(name="bert_form", scope="session")
def bert_form_fixture() -> Callable[..., PreTrainedTokenizerBase]:
    """Hand out ``bert_form``: test modules cannot import a conftest."""
    return bert_form


@pytest.fixture(scope="session")
def encoders(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders by family: bert, roberta, deberta, modernbert."""
    folders = {"bert": tiny_encoder}
    for family, make in FAMILIES.items():
        folder = tmp_path_factory.mktemp(family)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            make().save_pretrained(folder)
        tokenizer = roberta_form() if family == "roberta" else bert_form()
        tokenizer.save_pretrained(folder)
        folders[family] = folder
    return folders


@pytest.fixture(params=["bert", *FAMILIES])
def encoder(request: pytest.FixtureRequest, encoders: dict[str, Path]) -> str:
    """One encoder's folder after the other."""
    return str(encoders[request.param])
