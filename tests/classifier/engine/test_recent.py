"""The memory of judgements: never another text's, never more than it may hold."""

from railmatch.classifier.engine.recent import Recent, fingerprint
from railmatch.classifier.engine.request import Judgement
from railmatch.classifier.inputs import Exchange

ALIKE = [
    Exchange(""), Exchange("", ""), Exchange("a"), Exchange("a", ""), Exchange("", "a"), Exchange("a:"),
    Exchange("ab", "c"), Exchange("a", "bc"), Exchange("abc"), Exchange("1:a"), Exchange("a:b"), Exchange("a", "b"),
    Exchange("\ud800"), Exchange("\ufffd"), Exchange("é"), Exchange("e\u0301"), Exchange("A"),
]  # fmt: skip


def test_no_two_exchanges_share_a_fingerprint() -> None:
    assert len({fingerprint(exchange) for exchange in ALIKE}) == len(ALIKE)


def test_the_same_exchange_has_the_same_fingerprint() -> None:
    assert fingerprint(Exchange("a", "b")) == fingerprint(Exchange("a", "b"))


def test_the_one_used_longest_ago_is_forgotten_first() -> None:
    recent = Recent(2)
    recent.put(b"a", Judgement(0.1, 1))
    recent.put(b"b", Judgement(0.2, 1))
    assert recent.get(b"a") == Judgement(0.1, 1)
    recent.put(b"c", Judgement(0.3, 1))
    assert recent.get(b"b") is None
    assert recent.get(b"a") == Judgement(0.1, 1)
    assert recent.get(b"c") == Judgement(0.3, 1)
    assert len(recent) == 2


def test_a_memory_of_nothing_remembers_nothing() -> None:
    recent = Recent(0)
    recent.put(b"a", Judgement(0.1, 1))
    assert recent.get(b"a") is None
    assert len(recent) == 0
