"""Evasion is undone: rewritten harmful prompts stay blocked, harmless texts in any script keep every byte.

The rewrites are made here from tables written by hand, not from those of the code.
"""

# ruff: noqa: RUF001 - letters that look like others are what is tested

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.normalising import undo_evasion, undo_exchange
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

STARTER = Path(__file__).parents[2] / "config" / "starter"

CYRILLIC = str.maketrans("aceijopsxyABCEHIKMOPTXY", "асеіјорѕхуАВСЕНІКМОРТХУ")
FULLWIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
BOLD = {ord("a") + n: 0x1D41A + n for n in range(26)} | {ord("A") + n: 0x1D400 + n for n in range(26)}
CIRCLED = {ord("a") + n: 0x24D0 + n for n in range(26)} | {ord("A") + n: 0x24B6 + n for n in range(26)}
SMALL_CAPITALS = str.maketrans("abcdeghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")


def zero_width(text: str) -> str:
    return re.sub(r"(?<=\w)(?=\w)", "\u200b", text)


def sprinkled(text: str) -> str:
    """One invisible character inside each word, of several kinds."""
    draw = random.Random(text)
    return re.sub(r"\b\w(?=\w)", lambda found: found[0] + draw.choice("\u00ad\u200d\u2060\ufeff\u2063"), text)


def overridden(text: str) -> str:
    """The inside of every word between a right-to-left override and its end."""
    return re.sub(r"\b(\w)(\w+)", "\\1\u202e\\2\u202c", text)


def spaced(between: str, gap: str) -> Callable[[str], str]:
    return lambda text: gap.join(between.join(word) for word in words(text).split())


def words(text: str) -> str:
    return " ".join(re.findall(r"[A-Za-z]+", text.replace("'", "")))


EXACT: dict[str, tuple[Callable[[str], str], tuple[str, ...]]] = {
    "fullwidth": (lambda text: text.translate(FULLWIDTH), ("compatibility forms",)),
    "bold": (lambda text: text.translate(BOLD), ("compatibility forms",)),
    "circled": (lambda text: text.translate(CIRCLED), ("compatibility forms",)),
    "zero-width": (zero_width, ("invisible characters",)),
    "sprinkled": (sprinkled, ("invisible characters",)),
    "overridden": (overridden, ("invisible characters",)),
    "Cyrillic": (lambda text: text.translate(CYRILLIC), ("homoglyphs",)),
    "small capitals": (lambda text: text.lower().translate(SMALL_CAPITALS), ("homoglyphs",)),
    "zero-width bold": (lambda text: zero_width(text.translate(BOLD)), ("compatibility forms", "invisible characters")),
    "zero-width Cyrillic": (
        lambda text: zero_width(text.translate(CYRILLIC)), ("invisible characters", "homoglyphs"),
    ),
}  # fmt: skip
SPACED = {
    "spaced": spaced(" ", "   "),
    "dotted": spaced(".", " "),
    "hyphens": spaced("-", " "),
    "spaced without gaps": spaced(" ", " "),
    "spaced Cyrillic": lambda text: spaced(" ", "  ")(text).translate(CYRILLIC),
}


def starter(name: str, label: str) -> list[str]:
    rows = map(json.loads, (STARTER / name).read_text("utf-8").splitlines())
    return [row["prompt"] for row in rows if row["label"] == label]


@pytest.fixture(scope="module")
def classifier() -> Pipeline:
    """A small classifier of words, which no subword of a rewritten word can help."""
    harmful, unharmful = (starter("prompt_labelled.jsonl", label) for label in ("harmful", "unharmful"))
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    return pipeline.fit(harmful + unharmful, [1] * len(harmful) + [0] * len(unharmful))


@pytest.fixture(scope="module")
def blocked(classifier: Pipeline) -> list[str]:
    """The starter's harmful test prompts that the classifier blocks."""
    prompts = starter("prompt_test.jsonl", "harmful")
    return [text for text in prompts if classifier.predict_proba([text])[0, 1] >= 0.55]


@pytest.mark.parametrize("kind", EXACT)
def test_rewritten_prompts_are_read_as_they_were(kind: str) -> None:
    rewrite, found = EXACT[kind]
    prompts = [text for text in starter("prompt_test.jsonl", "harmful") if text.isascii()]
    undone = [undo_evasion(rewrite(text)) for text in prompts]
    same = [result.text.lower() == text.lower() for result, text in zip(undone, prompts, strict=True)]
    assert sum(same) >= 0.95 * len(prompts), [r.text for r, s in zip(undone, same, strict=True) if not s]
    assert all(result.found and set(result.found) <= set(found) for result in undone)


def test_rewritten_prompts_stay_blocked(classifier: Pipeline, blocked: list[str]) -> None:
    def shares(rewrite: Callable[[str], str], prompts: list[str]) -> tuple[float, float]:
        """The shares that are still blocked, with and without undoing."""
        texts = [rewrite(text) for text in prompts]
        undone = [undo_evasion(text).text for text in texts]
        return tuple((classifier.predict_proba(some)[:, 1] >= 0.55).mean() for some in (undone, texts))

    plain = [text for text in map(words, blocked) if classifier.predict_proba([text])[0, 1] >= 0.55]
    kept = {kind: shares(rewrite, blocked) for kind, (rewrite, _) in EXACT.items()}
    kept |= {kind: shares(rewrite, plain) for kind, rewrite in SPACED.items()}
    assert len(plain) > 100
    assert sum(undone for undone, _ in kept.values()) / len(kept) >= 0.95
    assert min(undone for undone, _ in kept.values()) >= 0.9, kept
    assert max(as_it_is for _, as_it_is in kept.values()) <= 0.05, kept


BENIGN = [
    "Привет! Сор и ухо — русские слова. Дом № 5, он там.",
    "Где купить со\u00adбаку? Нет, не сейчас.",
    "Γειά σου Κόσμε, το νερό είναι κρύο.",
    "مرحبا بالعالم \u200f(123)\u200f، كيف الحال؟",
    "قال \u200eHello\u200e للجميع",
    "می\u200cخواهم به خانه بروم",
    "שלום \u200eHello\u200e עולם",
    "क्\u200dष और नमस्ते दुनिया",
    "你好，世界！２０２４年，２５℃。",
    "Ｔシャツを３枚、５ℓの水、第Ⅲ章（ﾊﾝｶｸ）。",
    "안녕하세요, 세계!",
    "สวัสดีชาวโลก",
    "😀 👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d🚀 ❤\ufe0f 1\ufe0f\u20e3 #\ufe0f\u20e3 ©\ufe0f ‼\ufe0f 🇬🇷🇮🇳",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f and 🏴\u200d☠\ufe0f",
    "Ⓜ\ufe0f station, 🅿\ufe0f parking",
    "Müller's naïve Straße; Việt Nam; ışık, kız, İstanbul; cœur, ŵy",
    "E = mc² at 10⁻³ m, 3½ cups, 1ª, 5 µm, Δt, kΩ",
    "I am a U.S. citizen, e.g. vitamins A, B, C, D; x + y = z; 1 2 3 4",
    "Ordinary English, nothing else.\n\tIndented \u2014 with \u201cquotes\u201d and it\u2019s fine\u2026",
    "",
]


@pytest.mark.parametrize("text", BENIGN)
def test_harmless_texts_keep_every_character(text: str) -> None:
    assert undo_evasion(text) == (text, ())


@pytest.mark.parametrize("text", ["\ud800", "\x00 a b c", "\u200b", "\U000e0001", "\u202e\u202c", "а" * 3, "\ufffe"])
def test_no_text_is_too_strange(text: str) -> None:
    again = undo_evasion(undo_evasion(text).text)
    assert again.text == undo_evasion(text).text


def test_both_texts_of_an_exchange_are_undone() -> None:
    assert undo_exchange(Exchange("p i c k", "l\u200bock")) == (
        ("pick", "lock"), ("letter-spacing", "invisible characters"),
    )  # fmt: skip
    assert undo_exchange(Exchange("ｐｉｃｋ", None)) == (("pick", None), ("compatibility forms",))
    assert undo_exchange(Exchange("pick", "")) == (("pick", ""), ())
