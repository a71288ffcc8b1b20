"""Turn what is judged, a prompt or a (prompt, response) pair, into token windows; nothing is ever cut off silently."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from .errors import SettingsError
from .tasks import Task

OVERLAP = 0.25
"""Share of a window's text tokens that the next window sees again, so that a sentence on a seam is seen whole."""

CONTEXT_SHARE = 0.25
"""Largest share of a window that the prompt may take where a response is judged and the pair does not fit."""


SMALLEST_ROOM = 8
"""Text tokens below which a window is of no use, and the prompt's share of it would be nothing."""

SURROGATE = re.compile("[\ud800-\udfff]")


class Exchange(NamedTuple):
    """What is judged: a prompt, or a response together with the prompt that it answers."""

    prompt: str
    response: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """One input of the model: token ids with the special tokens, and the segment (0 or 1) of each."""

    input_ids: list[int]
    token_type_ids: list[int]

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.input_ids)


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no tokenizer can encode, by U+FFFD; every other character stays."""
    return text if text.isascii() else SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _spans(length: int, room: int, *, full: bool) -> list[tuple[int, int]]:
    """Cut ``length`` tokens into as few overlapping spans of at most ``room`` tokens as cover all of them.

    They are of one length: ``room`` where they shall be ``full``, else no more than they need, which is a tenth less.
    """
    if length <= room:
        return [(0, length)]
    overlap = room - max(1, round(room * (1 - OVERLAP)))
    count = math.ceil((length - overlap) / (room - overlap))
    size = room if full else math.ceil((length + (count - 1) * overlap) / count)
    starts = [round(number * (length - size) / (count - 1)) for number in range(count)]
    return [(start, start + size) for start in starts]


def _shortened(ids: list[int], room: int) -> list[int]:
    """Keep the beginning and the end of ``ids``, in equal parts, in ``room`` tokens."""
    if len(ids) <= room:
        return ids
    tail = room // 2
    return ids[: room - tail] + ids[len(ids) - tail :]


def _own_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """Copy the tokenizer behind a tokenizer, which answers in half the time, and set it to cut and to pad nothing.

    A copy, because whoever uses the original changes its modes. A text that spells out "[SEP]" must not end its own
    part of the window, so special tokens are split as any other text.
    """
    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.no_truncation()
    own.no_padding()
    own.encode_special_tokens = True
    return own


@dataclass(frozen=True, slots=True)
class _Frame:
    """The special tokens that a tokenizer puts around one text or a pair, and the segment of either text."""

    before: Window
    between: Window
    after: Window
    segments: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, *, pair: bool) -> "_Frame":
        """Read the frame off the tokenizer by encoding one letter, or a pair of letters."""
        encoded = tokenizer("a", "b") if pair else tokenizer("a")
        ids: list[int] = encoded["input_ids"]
        types: list[int] = encoded.get("token_type_ids", [0] * len(ids))
        texts = encoded.sequence_ids(0)  # 0 or 1 for a token of a text, None for a special token
        start, end = texts.index(0), len(texts) - texts[::-1].index(1 if pair else 0)

        def special(first: int, last: int) -> Window:
            places = [place for place in range(first, last) if texts[place] is None]
            return Window([ids[place] for place in places], [types[place] for place in places])

        return cls(special(0, start), special(start, end), special(end, len(ids)), (types[start], types[end - 1]))

    @property
    def size(self) -> int:
        """Count the special tokens."""
        return len(self.before) + len(self.between) + len(self.after)

    def fill(self, first: list[int], second: Sequence[int] = ()) -> Window:
        """Put one text, or a pair, into the frame."""
        one, two = self.segments
        return Window(
            [*self.before.input_ids, *first, *self.between.input_ids, *second, *self.after.input_ids],
            [
                *self.before.token_type_ids,
                *[one] * len(first),
                *self.between.token_type_ids,
                *[two] * len(second),
                *self.after.token_type_ids,
            ],
        )


class WindowEncoder:
    """Tokenises exchanges into windows of at most ``length`` tokens.

    A prompt longer than a window becomes overlapping windows. In the response task every window holds the beginning of
    the pair, the prompt, and a part of the response: where the pair does not fit, the prompt is shortened first (its
    middle is left out, down to ``CONTEXT_SHARE`` of the window), and only then the response is spread over windows.
    The response itself is always seen whole.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, task: Task, length: int) -> None:
        """Take the model's tokenizer, the task, and the longest window in tokens, special tokens included.

        Raises:
            SettingsError: such a window has no room for text.
        """
        self.tokenizer = tokenizer
        self.task = task
        self.length = length
        self._own = _own_tokenizer(tokenizer)
        self._frame = _Frame.of(tokenizer, pair=task == "response")
        self._room = length - self._frame.size
        if self._room < SMALLEST_ROOM:
            raise SettingsError(
                f"a window of {length} tokens leaves {max(self._room, 0)} for text beside {self._frame.size} special "
                f"tokens; it must be at least {self._frame.size + SMALLEST_ROOM}"
            )

    def __call__(self, exchanges: Sequence[Exchange], *, full: bool = False) -> list[list[Window]]:
        """Encode each exchange into one or more windows, in the order of the text.

        Args:
            exchanges: what to encode.
            full: several windows of a text are as long as they may be, for those who read the first one only; else no
                longer than they must be.

        Raises:
            ValueError: the task is ``response`` and an exchange has none.
        """
        prompts = self._tokens([exchange.prompt for exchange in exchanges])
        if self.task == "prompt":
            return [self._prompt_windows(ids, full=full) for ids in prompts]
        if any(exchange.response is None for exchange in exchanges):
            raise ValueError("a classifier of the response task judges a response: Exchange(prompt, response)")
        responses = self._tokens([exchange.response or "" for exchange in exchanges])
        return [self._pair_windows(*pair, full=full) for pair in zip(prompts, responses, strict=True)]

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        clean = [without_surrogates(text) for text in texts]
        return [encoding.ids for encoding in self._own.encode_batch_fast(clean, add_special_tokens=False)]

    def _prompt_windows(self, ids: list[int], *, full: bool) -> list[Window]:
        return [self._frame.fill(ids[start:end]) for start, end in _spans(len(ids), self._room, full=full)]

    def _pair_windows(self, prompt: list[int], response: list[int], *, full: bool) -> list[Window]:
        context = max(self._room - len(response), int(self._room * CONTEXT_SHARE))
        prompt = _shortened(prompt, context)
        spans = _spans(len(response), self._room - len(prompt), full=full)
        return [self._frame.fill(prompt, response[start:end]) for start, end in spans]
