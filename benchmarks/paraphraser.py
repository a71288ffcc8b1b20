"""Make a small language model that rewords prompts, where no other one is at hand, for benchmarks/adversarial.py --lm.

    python benchmarks/paraphraser.py DATA [MORE ...] --out FOLDER                   # some 20 minutes on one thread
    python benchmarks/paraphraser.py DATA --out FOLDER --steps 2                    # only to see that it runs

The lower layers of the encoder (the embedded MiniLM, 22M parameters) become a causal decoder, between two layers that
are written so that it copies (paraphrasing/copying_layers.py), and learn to go on from a text with a rewrite of it. The
folder is one of transformers (BertLMHeadModel), with a chat template that takes the text from between the markers of
RailMatch's instructions and leaves the rest: so small a model cannot follow instructions, and rewords harmful and
harmless texts alike. It writes lower case.

DATA and MORE are folders with prompt_unlabelled and prompt_rewrites (.jsonl); DATA has prompt_votes, too. The texts of
DATA that benchmarks/adversarial.py may attack or measure on, by any of its seeds, are left out with their rewrites; on
some of them the loss is told. A pair is text -> rewrite, rewrite -> text or rewrite -> rewrite, or a pool text with a
share of its words lost, swapped or replaced -> the text as it was: so are all pairs at the beginning, and some of
them after a quarter of the steps.

What keeps it cheap: token embeddings stay as they are, before the first layer and after the last. The softmax is over
the tokens of the batch, the most frequent ones and a sample of the others, each of which stands for as many as it was
drawn from. Batches hold texts of like length. Positions begin anywhere, since trl counts the padding on the left of a
text and ``generate`` does not.
"""

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from paraphrasing.copying_layers import Codes, look, write_before, write_match
from paraphrasing.pairs import SHIFTED, Batch, Batches, Pair, Texts
from railmatch.classifier.backbone import locate_encoder
from railmatch.classifier.loading import quiet_transformers
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer, BertLMHeadModel, BertModel, PreTrainedTokenizerBase

KEPT = 2
"""So many lower layers of the encoder are kept."""

FITTED = 400
"""The layers that copy are fitted to so many texts."""

RATE, HEAD_RATE = 3e-4, 1e-3
"""Learning rates of the layers, and of what turns their states into tokens, which is new."""

FREQUENT, SAMPLED = 2000, 1000
"""Tokens that every softmax is over, and tokens sampled for each from the others."""

CHAT = (
    "{%- set said = messages[-1]['content'] -%}"
    "{%- if '<<<TEXT ' in said -%}"
    "{%- set tag = said.split('<<<TEXT ')[1].split('>>>')[0] -%}"
    "{%- set said = said.split('<<<TEXT ' ~ tag ~ '>>>\\n')[1].split('\\n<<<END ' ~ tag ~ '>>>')[0] -%}"
    "{%- endif -%}"
    "{{ '[CLS]' ~ said ~ '[SEP]' }}"
)


def load_decoder(encoder: str) -> tuple[BertLMHeadModel, PreTrainedTokenizerBase]:
    """Make a causal decoder of the lower layers of a BERT encoder and of two unwritten ones; and its tokenizer."""
    location = locate_encoder(encoder)
    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(location)
        config = AutoConfig.from_pretrained(location, is_decoder=True, tie_word_embeddings=True)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        config.bos_token_id, config.eos_token_id = tokenizer.cls_token_id, tokenizer.sep_token_id
        whole = BertModel.from_pretrained(location, config=config, add_pooling_layer=False, dtype=torch.float32)
        config.num_hidden_layers = KEPT + 2
        network = BertLMHeadModel(config)
    network.bert.embeddings.load_state_dict(whole.embeddings.state_dict())
    for ours, theirs in zip(network.bert.encoder.layer[1:-1], whole.encoder.layer, strict=False):
        ours.load_state_dict(theirs.state_dict())
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    tokenizer.chat_template = CHAT
    return network.train(False), tokenizer  # without dropout: hardly anything is seen twice


def write_copying(network: BertLMHeadModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> None:
    """Write the first and the last layer, fitted to token ids of texts, and let the head give states as they are."""
    config, layers = network.config, network.bert.encoder.layer
    embeddings = network.get_input_embeddings().weight.detach()
    sight = look(network.bert, rows, 0, SHIFTED)
    size = config.hidden_size // config.num_attention_heads
    codes = Codes.of(embeddings, sight.tokens, size, tokenizer.cls_token_id, tokenizer.sep_token_id)
    write_before(layers[0], layers[1], config.num_attention_heads, codes, sight)
    last = look(network.bert, rows, len(layers) - 1, SHIFTED)
    write_match(layers[-1], config.num_attention_heads, codes, embeddings, last)
    transform = network.cls.predictions.transform
    with torch.no_grad():  # GELU leaves numbers about 3 as they are, and the layer norm takes the 3 away again
        transform.dense.weight.copy_(torch.eye(config.hidden_size))
        transform.dense.bias.fill_(3.0)
        transform.LayerNorm.weight.fill_(0.6)  # so that a copied token has some 10 nats more than others


class Softmax:
    """The loss over a few thousand tokens in place of all."""

    def __init__(self, network: BertLMHeadModel, counts: Counter[int]) -> None:
        """Start with biases that tell, by half, how often tokens occur: the other half is in what is copied."""
        self._head = network.cls.predictions
        self._table = network.get_input_embeddings().weight.detach()
        share = torch.full((len(self._table),), 0.1)
        share[list(counts)] += torch.tensor([float(count) for count in counts.values()])
        with torch.no_grad():
            self._head.bias.copy_((share / share.sum()).log().clamp(min=-12.0) / 2)
        self._frequent = share.topk(min(FREQUENT, len(share))).indices

    def losses(self, states: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Give -log p of the targets (n,) after the states (n, width), in a batch of ``ids``."""
        certain = torch.cat([ids.flatten(), self._frequent]).unique()
        others = torch.ones(len(self._table), dtype=torch.bool)
        others[certain] = False
        rest = others.nonzero().flatten()
        some = rest[torch.randperm(len(rest))[:SAMPLED]]
        tokens = torch.cat([certain, some])
        each = math.log(len(rest) / len(some)) if len(some) else 0.0
        stands_for = torch.cat([torch.zeros(len(certain)), torch.full((len(some),), each)])
        logits = self._head.transform(states) @ self._table[tokens].T + self._head.bias[tokens] + stands_for
        return F.cross_entropy(logits, torch.searchsorted(certain, targets), reduction="none")


def losses(network: BertLMHeadModel, softmax: Softmax, batch: Batch) -> tuple[Tensor, Tensor]:
    """Give the losses of the tokens that count, and how much each counts."""
    positions = torch.arange(batch.shift, batch.shift + batch.ids.shape[1])[None]
    states = network.bert(batch.ids, position_ids=positions).last_hidden_state[:, :-1]  # padding is on the right
    weights = batch.weights[:, 1:]
    chosen = weights > 0
    return softmax.losses(states[chosen], batch.ids[:, 1:][chosen], batch.ids), weights[chosen]


def optimiser(network: BertLMHeadModel, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    """Give AdamW over all but the token embeddings, and a schedule that warms up and falls to a tenth."""
    network.get_input_embeddings().requires_grad_(False)
    head = [each for each in network.cls.parameters() if each.requires_grad]
    groups = [{"params": list(network.bert.encoder.parameters()), "lr": RATE}, {"params": head, "lr": HEAD_RATE}]
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
    warm = min(30, 1 + steps // 10)
    return adam, torch.optim.lr_scheduler.LambdaLR(
        adam, lambda step: min((step + 1) / warm, max(0.1, 1 - step / steps))
    )


def train(network: BertLMHeadModel, batches: Batches, softmax: Softmax, steps: int, seed: int, every_s: float) -> None:
    """Train for some steps, and tell now and then how it goes."""
    adam, schedule = optimiser(network, steps)
    begun = told = time.perf_counter()
    sums, tokens = [0.0, 0.0], 0
    for step, batch in enumerate(batches.draw(steps, seed), start=1):
        found, weights = losses(network, softmax, batch)
        ((found * weights).sum() / weights.sum()).backward()
        torch.nn.utils.clip_grad_norm_([each for each in network.parameters() if each.grad is not None], 1.0)
        adam.step()
        schedule.step()
        adam.zero_grad()
        whole = weights == 1
        sums = [sums[0] + found.detach()[whole].sum().item(), sums[1] + int(whole.sum())]
        tokens += batch.ids.numel()
        if (now := time.perf_counter()) - told > every_s or step == steps:
            rate = tokens / (now - begun)
            click.echo(f"step {step}: loss {sums[0] / sums[1]:.3f} a token, {rate:.0f} tokens/s", err=True)
            told, sums = now, [0.0, 0.0]


def measured(network: BertLMHeadModel, batches: Batches, pairs: Sequence[Pair]) -> float | None:
    """Give the mean loss of a target's token over all tokens, on pairs that were not learnt from."""
    rows = batches.rows(pairs)
    if not rows:
        return None
    found = []
    with torch.inference_mode():
        for row in rows:
            batch = batches.batch([row], 0)
            target = batch.weights[0] == 1
            logs = network(batch.ids).logits[0, :-1].log_softmax(dim=-1)
            found.append(-logs.gather(1, batch.ids[0, 1:, None])[target[1:], 0])
    return float(torch.cat(found).mean())


@click.command()
@click.argument(
    "folders", metavar="DATA...", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the model.")
@click.option("--encoder", default="minilm", show_default=True, help="minilm, or folder or Hub id of a BERT encoder.")
@click.option("--steps", default=1200, show_default=True)
@click.option("--tokens", default=700, show_default=True, help="Tokens a step.")
@click.option("--longest", default=64, show_default=True, help="Tokens of the longest text to learn from.")
@click.option("--seed", default=0, show_default=True)
def main(folders: tuple[Path, ...], out: Path, encoder: str, steps: int, tokens: int, longest: int, seed: int) -> None:
    """Train a paraphraser and save it."""
    torch.manual_seed(seed)
    texts = Texts.of(folders)
    network, tokenizer = load_decoder(encoder)
    batches = Batches(texts, tokenizer, longest, tokens)
    known = [*texts.pool, *(text for group in texts.groups for text in group)]
    random.Random(seed).shuffle(known)
    rows = tokenizer(known, verbose=False)["input_ids"]
    write_copying(network, tokenizer, [row for row in rows if len(row) <= longest][:FITTED])
    counts = Counter(token for row in rows for token in row)
    softmax = Softmax(network, counts)
    click.echo(f"before training, on texts left out: {measured(network, batches, texts.measured)}", err=True)
    train(network, batches, softmax, steps, seed, every_s=60.0)
    network.save_pretrained(out)
    tokenizer.save_pretrained(out)
    loss = measured(network, batches, texts.measured)
    click.echo(json.dumps({"groups": len(texts.groups), "pool": len(texts.pool), "loss of texts left out": loss}))


if __name__ == "__main__":
    main()
