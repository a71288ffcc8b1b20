"""A causal language model that writes what it is asked for: loaded, checked, asked, sampled."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from jinja2 import TemplateError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ....classifier.batches import batches_of_like_length
from ....classifier.device import Device, choose_device
from ....classifier.errors import ModelError, reason
from ....classifier.loading import quiet_transformers
from ....classifier.metrics import Floats
from ...memory import Batch
from ..fluency import lowest_mean

Style = Literal["chat", "plain"]

SCORED_TOKENS = 4096
"""Most tokens, padding included, of a pass that measures fluency."""


def load_tokenizer(model: str, style: Style) -> PreTrainedTokenizerBase:
    """Load a generator's tokenizer, which pads on the left, as generation needs it.

    A tokenizer without padding token pads with its end-of-text token: padding is masked out.

    Raises:
        ModelError: there is no such tokenizer, it has no end-of-text token, or no chat template although ``style`` is
            ``chat``.
    """
    with quiet_transformers():
        try:
            tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left", trust_remote_code=False)
        except Exception as error:  # damaged files raise anything, out of three libraries
            raise ModelError(_why_not_loaded(model, error)) from error
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"generator.model {model!r}: its tokenizer names no end-of-text token, so none of its texts would end, and "
            "nothing to pad with; set eos_token (and pad_token) in its tokenizer_config.json"
        )
    if style == "chat" and not tokenizer.chat_template:
        raise ModelError(
            f"generator.model {model!r} has no chat template, so it was probably not trained to follow instructions: "
            "name an instruction-tuned model, or set generator.template to plain, which asks in plain text"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return cast(PreTrainedTokenizerBase, tokenizer)


def prompt_of(messages: Sequence[dict[str, str]], tokenizer: PreTrainedTokenizerBase, style: Style) -> str:
    """Write chat messages as the one text that a model goes on from."""
    if style == "plain":
        return "\n\n".join(message["content"] for message in messages) + "\n"
    try:
        return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))
    except TemplateError:  # some models know no system message
        joined = "\n\n".join(message["content"] for message in messages)
        whole = [{"role": "user", "content": joined}]
        return str(tokenizer.apply_chat_template(whole, tokenize=False, add_generation_prompt=True))


class CausalWriter:
    """A causal language model with its tokenizer, for sampling and for measuring how fluent texts are."""

    def __init__(
        self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, style: Style, batch: Batch
    ) -> None:
        """Take a model on its device, its tokenizer, how it is asked, and how many texts to sample at a time."""
        self.network = cast(PreTrainedModel, network.train(False))
        self.tokenizer = tokenizer
        self.style = style
        self._batch = batch
        self._scored = Batch(SCORED_TOKENS, "tokens")

    @classmethod
    def load(cls, model: str, style: Style, *, device: Device, batch: Batch) -> Self:
        """Load a folder or Hub id: bfloat16 on a GPU, float32 on the CPU. No code of the model's is run.

        Raises:
            ModelError: there is no such model, it writes no text, or it cannot be asked in this ``style``.
        """
        tokenizer = load_tokenizer(model, style)
        target = choose_device(device)
        dtype = torch.bfloat16 if target.type == "cuda" else torch.float32
        with quiet_transformers():
            try:
                network = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, trust_remote_code=False)
            except Exception as error:  # damaged files raise anything, out of three libraries
                raise ModelError(_why_not_loaded(model, error)) from error
        return cls(cast(PreTrainedModel, cast(nn.Module, network).to(target)), tokenizer, style, batch)

    def prompt(self, messages: Sequence[dict[str, str]]) -> str:
        """Write chat messages as this model wants to be asked."""
        return prompt_of(messages, self.tokenizer, self.style)

    def fit(self, prompts: Sequence[str], max_tokens: int) -> list[bool]:
        """Tell which prompts leave room for ``max_tokens`` tokens in the model's context."""
        longest = getattr(self.network.config, "max_position_embeddings", None) or 2**31
        encoded = self.tokenizer(list(prompts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(ids) + max_tokens <= longest for ids in encoded]

    def write(
        self, prompts: Sequence[str], *, temperature: float, top_p: float, max_tokens: int, seed: int
    ) -> Iterator[str]:
        """Sample one answer of at most ``max_tokens`` tokens to each prompt, in their order.

        A prompt that leaves no room for it in the model's context gets an empty answer.
        """
        settings = GenerationConfig(  # type: ignore[no-untyped-call]  # not annotated there
            do_sample=True,
            temperature=temperature,
            top_p=top_p,
            top_k=0,
            max_new_tokens=max_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
        )
        done = 0
        while done < len(prompts):
            rest = prompts[done:]
            chance = int(np.random.SeedSequence((seed, done)).generate_state(1)[0])
            answers = self._batch.run(partial(self._sample, rest, settings, chance))
            done += len(answers)
            yield from answers

    def _sample(self, rest: Sequence[str], settings: GenerationConfig, chance: int, size: int) -> list[str]:
        """Answer the next ``size`` prompts."""
        prompts = rest[:size]
        fitting = [row for row, fits in enumerate(self.fit(prompts, settings.max_new_tokens or 0)) if fits]
        answers = [""] * len(prompts)
        if not fitting:
            return answers
        inputs = self.tokenizer(
            [prompts[row] for row in fitting],
            padding=True,
            add_special_tokens=False,
            return_token_type_ids=False,
            return_tensors="pt",
        ).to(self.network.device)
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(chance)
            written = cast(Any, self.network).generate(**inputs, generation_config=settings)
        texts = self.tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for row, text in zip(fitting, texts, strict=True):
            answers[row] = text.strip()
        return answers

    def fluency(self, texts: Sequence[str]) -> Floats:
        """Give the mean of the lowest log-probabilities of each text's tokens, shape (texts,): a ``fluency.Score``."""
        first = self.tokenizer.bos_token_id if self.tokenizer.bos_token_id is not None else self.tokenizer.eos_token_id
        longest = getattr(self.network.config, "max_position_embeddings", None) or 2**31
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        rows = [[first, *ids][:longest] for ids in encoded]
        return self._scored.run(lambda size: self._lowest(rows, size))

    def _lowest(self, rows: Sequence[Sequence[int]], size: int) -> Floats:
        found = np.zeros(len(rows))
        for batch in batches_of_like_length([len(row) for row in rows], size):
            for at, values in zip(batch, self._log_probabilities([rows[at] for at in batch]), strict=True):
                found[at] = lowest_mean(values)
        return found

    def _log_probabilities(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Give the log-probability of every token but the first of each row."""
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=self.network.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.network.device)
        with torch.inference_mode():
            logits = self.network(input_ids=ids, attention_mask=mask).logits.float()
        all_logs = logits[:, :-1].log_softmax(dim=-1).gather(2, ids[:, 1:, None]).squeeze(2)
        return [logs[: len(row) - 1].tolist() for logs, row in zip(all_logs, rows, strict=True)]


def _why_not_loaded(model: str, error: Exception) -> str:
    return (
        f"generator.model {model!r} cannot be loaded: {reason(error)} (give a folder with config.json, tokenizer and "
        "weights, or the Hub id, of a causal language model)"
    )
