"""Tiny MarianMT models with weights set by hand: they translate word by word, exactly as a dictionary says."""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

END, UNKNOWN, PADDING = "</s>", "<unk>", "<pad>"
WIDTH = 128
SLOW = slice(34, 63)  # sines of positions that are nearly 0 in short texts: here the tokens have their codes
NOTHING = 63  # another one, without codes: taken off, it undoes that layer norms take off the mean
FAST = [*range(16), *range(64, 80)]  # sines and cosines that tell positions apart


def write_translator(folder: Path, dictionary: Mapping[str, str], *, endless: bool = False) -> Path:
    """Save a model with its tokenizer; all words must be in the dictionary, and ``endless`` ones find no end.

    The query of the decoder's cross-attention is its position, the key is the position in the source, and the value is
    the code of the translated token; everything else is zero.
    """
    folder.mkdir()
    words = sorted({*dictionary, *dictionary.values()})
    vocabulary = {token: number for number, token in enumerate([END, UNKNOWN, *(f"\u2581{w}" for w in words), PADDING])}
    _write_tokenizer(folder, words, vocabulary)
    ending = vocabulary[END]
    config = MarianConfig(
        **dict.fromkeys(("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"), 1),
        **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 4),
        vocab_size=len(vocabulary),
        d_model=WIDTH,
        max_position_embeddings=32,
        scale_embedding=False,
        pad_token_id=vocabulary[PADDING],
        decoder_start_token_id=vocabulary[PADDING],
        eos_token_id=ending,
        forced_eos_token_id=ending,
    )
    model = MarianMTModel(config)
    translated = {vocabulary[f"\u2581{one}"]: vocabulary[f"\u2581{other}"] for one, other in dictionary.items()}
    translated[ending] = vocabulary[f"\u2581{words[0]}"] if endless else ending
    with torch.no_grad():
        _set_weights(model, translated)
    model.save_pretrained(folder)
    return folder


def _set_weights(model: MarianMTModel, translated: Mapping[int, int]) -> None:
    codes = torch.zeros(model.config.vocab_size, WIDTH)
    codes[: len(codes) - 1, SLOW] = 4 * torch.eye(SLOW.stop - SLOW.start)[: len(codes) - 1]
    for name, weights in model.named_parameters():
        if "layer_norm" not in name and "embed_positions" not in name:
            weights.zero_()
    model.model.shared.weight.copy_(codes)
    attention = model.model.decoder.layers[0].encoder_attn
    for number, column in enumerate(FAST):
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight[number, column], projection.weight[number, NOTHING] = 20, -20
    for source, target in translated.items():
        attention.v_proj.weight += torch.outer(codes[target], codes[source])
    attention.out_proj.weight.copy_(10 * torch.eye(WIDTH))


def _write_tokenizer(folder: Path, words: list[str], vocabulary: Mapping[str, int]) -> None:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words),
        model_writer=written,
        model_type="word",
        vocab_size=len(words) + 3,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(written.getvalue())
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")]
        MarianTokenizer(*files, model_max_length=32).save_pretrained(folder)
