"""Letters that only look Latin, and characters that are not seen: each kind by itself."""

# ruff: noqa: RUF001 - letters that look like others are what is tested

import unicodedata

import pytest
from railmatch.classifier.normalising_letters import reveal_compatibility_forms, reveal_homoglyphs, reveal_invisible


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ｈｏｗ　ｔｏ ２ ｍａｋｅ？", "how to 2 make?"),
        ("we\uff41pon", "weapon"),
        ("⒣⒪⒲ 🅷🅾🆆 ﬁsh", "how HOW fish"),
        ("𝓱\u200b𝓸\ufe0f𝔀", "how"),
        ("ＡＢＣ株式会社、２０２４年", "ABC株式会社、２０２４年"),
        ("Ⓜ", "Ⓜ"),
        ("Ⓜ ⓔ ⓣ, Ⓐ", "M e t, A"),
    ],
)
def test_compatibility_forms(text: str, read: str) -> None:
    assert reveal_compatibility_forms(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("w\u200be\u2060a\u00adpon", "weapon"),
        ("\u202eweapon\u202c", "weapon"),
        ("we\u200b\u0430pon", "we\u0430pon"),
        ("\u0434\u200d\u0430", "\u0434\u200d\u0430"),
        ("hidden \U000e0073\U000e0074\U000e0065\U000e0061\U000e006c", "hidden steal"),
        ("👍\U000e0073\U000e0074\U000e007f", "👍st"),
        ("👩\u200d🚀 ❤\ufe0f", "👩\u200d🚀 ❤\ufe0f"),
        ("he\u200fllo \u200fשלום\u200f", "hello \u200fשלום\u200f"),
    ],
)
def test_invisible_characters(text: str, read: str) -> None:
    assert reveal_invisible(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ɡun and ԝеароn", "gun and weapon"),
        ("ꓧꓳꓪ ꓔꓳ ꓢꓔꓰꓮꓡ ꓮ ꓚꓮꓣ", "HOW TO STEAL A CAR"),
        ("w е а p о n", "w e a p o n"),
        ("steal а сар", "steal a cap"),
        ("only my е\u200bх", "only my ex"),
        ("І ask", "I ask"),
        ("ᴡᴇᴀᴘᴏɴ", "weapon"),
        ("SMSка", "SMSка"),
        ("Он там, сор", "Он там, сор"),
    ],
)
def test_homoglyphs(text: str, read: str) -> None:
    assert reveal_homoglyphs(text) == read


def test_each_character_is_asked_for_its_direction_once_however_many_marks_there_are(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def counted(mark: str) -> str:
        asked.append(mark)
        return bidirectional(mark)

    bidirectional = unicodedata.bidirectional
    monkeypatch.setattr(unicodedata, "bidirectional", counted)
    text = " \u200e" * 1000
    assert reveal_invisible(text) == " " * 1000
    assert len(asked) <= len(text)
