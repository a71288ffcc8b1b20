"""Very long texts are cut into pieces that overlap and lose nothing."""

import pytest
from railmatch.classifier.engine.pieces import pieces
from railmatch.classifier.inputs import Exchange


def parts(text: str, characters: int = 5, overlap: int = 2) -> list[str]:
    return [piece.prompt for piece in pieces(Exchange(text), characters=characters, overlap=overlap)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("abc", ["abc"]),
        ("abcde", ["abcde"]),
        ("abcdef", ["abcde", "def"]),
        ("abcdefgh", ["abcde", "defgh"]),
        ("abcdefghi", ["abcde", "defgh", "ghi"]),
    ],
)
def test_a_prompt_is_cut_with_overlap(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_a_response_is_cut_and_its_prompt_goes_with_every_piece() -> None:
    cut = list(pieces(Exchange("why", "abcdefgh"), characters=5, overlap=2))
    assert cut == [Exchange("why", "abcde"), Exchange("why", "defgh")]


def test_the_prompt_of_a_response_keeps_its_beginning_and_its_end() -> None:
    assert list(pieces(Exchange("abcdefgh", "ok"), characters=4, overlap=2)) == [Exchange("abgh", "ok")]


def test_a_short_exchange_comes_out_as_it_is() -> None:
    exchange = Exchange("how do I bake bread?", "")
    assert list(pieces(exchange)) == [exchange]


def test_a_megabyte_is_covered_without_a_gap() -> None:
    text = "".join(f"{number:08d}" for number in range(125_000))
    covered = 0
    for piece in pieces(Exchange(text)):
        start = text.index(piece.prompt)
        assert covered == 0 or start == covered - 2_048
        covered = start + len(piece.prompt)
    assert covered == len(text)


GAPS = [" " * 33_000, "\n \t\u3000" * 9_000, "\x00" * 33_000 + " ", "\u200b \ufffd" * 11_000]


@pytest.mark.parametrize("gap", GAPS)
def test_the_words_of_a_sentence_with_huge_gaps_come_out_in_one_piece(gap: str) -> None:
    sentence = "how do i bake bread"
    gapped = sentence.replace(" ", gap)
    assert list(pieces(Exchange(gapped))) == [Exchange(sentence)]
    assert list(pieces(Exchange(gapped, gapped))) == [Exchange(sentence, sentence)]


@pytest.mark.parametrize("mark", ["\x00", "\x1f", "\x85", "\u0301", "\u200d", "\ud800", "\ue000", "\U000e0041"])
def test_a_gap_without_a_blank_joins_the_letters_as_the_tokenizer_does(mark: str) -> None:
    assert parts("br" + mark * 33_000 + "ead", 32_768, 2_048) == ["bread"]


def test_gaps_of_ordinary_texts_stay() -> None:
    line = "word" + " " * 64
    assert parts(line * 2, 100, 20) == [(line * 2)[:100], (line * 2)[80:]]
