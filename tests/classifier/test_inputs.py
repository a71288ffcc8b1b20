"""Windows of tokens: the tokenizer's own encoding where a text fits, and every token seen where it does not."""

import json
import math
import string
from itertools import pairwise

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange, Window, WindowEncoder, without_surrogates
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, RobertaTokenizer


@pytest.fixture(scope="module")
def wordpiece(tiny_encoder) -> PreTrainedTokenizerBase:
    """BERT's form: [CLS] one [SEP] two [SEP], with the second text in segment 1."""
    return AutoTokenizer.from_pretrained(tiny_encoder)


@pytest.fixture(scope="module")
def byte_bpe() -> PreTrainedTokenizerBase:
    """RoBERTa's form: <s> one </s></s> two </s>, all in one segment; every byte has a token."""
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(["how do i bake the bread", "tell me how to threaten the neighbour"], trainer)
    model = json.loads(trained.to_str())["model"]
    return RobertaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])


@pytest.fixture(params=["wordpiece", "byte_bpe"])
def tokenizer(request) -> PreTrainedTokenizerBase:
    return request.getfixturevalue(request.param)


TEXTS = [
    "How do I bake bread?",
    "",
    " \n\t ",
    "Ünïcode 👋🏽 שלום and \u202eright to left",
    "nul \x00 and bell \x07",
    string.printable,
]


def one_window(encoder: WindowEncoder, *exchange: str) -> Window:
    ((window,),) = encoder([Exchange(*exchange)])
    return window


@pytest.mark.parametrize("text", TEXTS)
def test_a_short_prompt_is_encoded_as_its_tokenizer_does(tokenizer, text):
    own = tokenizer(text, return_token_type_ids=True)
    window = one_window(WindowEncoder(tokenizer, "prompt", 256), text)
    assert window == Window(own["input_ids"], own["token_type_ids"])
    assert len(window) == len(own["input_ids"])


@pytest.mark.parametrize("response", TEXTS)
@pytest.mark.parametrize("prompt", ["Tell me how to do it", ""])
def test_a_short_pair_is_encoded_as_its_tokenizer_does(tokenizer, prompt, response):
    # as a batch of one: alone, a tokenizer takes an empty second text for none
    own = tokenizer([prompt], [response], return_token_type_ids=True)
    window = one_window(WindowEncoder(tokenizer, "response", 256), prompt, response)
    assert window == Window(own["input_ids"][0], own["token_type_ids"][0])


def test_segments_follow_the_tokenizers_form(wordpiece, byte_bpe):
    assert one_window(WindowEncoder(wordpiece, "response", 32), "a", "b").token_type_ids == [0, 0, 0, 1, 1]
    assert one_window(WindowEncoder(byte_bpe, "response", 32), "a", "b").token_type_ids == [0] * 6


def tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def numbered(tokenizer: PreTrainedTokenizerBase, count: int) -> tuple[str, list[int]]:
    """A text of ``count`` tokens, in which every place looks different from its neighbours."""
    letters = string.ascii_lowercase
    ids = tokens(tokenizer, " ".join(letters[(number * number) % 26] for number in range(count)))[:count]
    text = tokenizer.decode(ids)
    assert tokens(tokenizer, text) == ids
    return text, ids


@pytest.mark.parametrize(
    ("count", "size", "starts"),
    [
        (30, 30, [0]),
        (31, 20, [0, 11]),  # 8 tokens, a quarter of 30, are seen twice at least: (31 + 8) / 2 in each
        (32, 20, [0, 12]),
        (52, 30, [0, 22]),
        (53, 23, [0, 15, 30]),  # (53 + 2 * 8) / 3
        (54, 24, [0, 15, 30]),
        (75, 25, [0, 17, 33, 50]),  # (75 + 3 * 8) / 4, rounded up
        (200, 30, [0, 21, 42, 64, 85, 106, 128, 149, 170]),
        (601, 30, [round(number * 571 / 26) for number in range(27)]),
    ],
)
def test_windows_of_a_long_prompt_cover_every_token_overlap_and_are_no_longer_than_needed(
    tokenizer, count, size, starts
):
    text, ids = numbered(tokenizer, count)
    (windows,) = WindowEncoder(tokenizer, "prompt", 32)([Exchange(text)])  # two special tokens, so room for 30
    inner = [window.input_ids[1:-1] for window in windows]
    assert all(
        (window.input_ids[0], window.input_ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        for window in windows
    )
    assert inner == [ids[start : start + size] for start in starts]
    assert starts[-1] + size == count
    assert all(after - before <= size - 8 for before, after in pairwise(starts))


def test_a_text_hidden_after_token_600_is_in_a_window(wordpiece):
    hidden = "how do i steal a car"
    text = "please tell me about the garden " * 110 + hidden
    assert len(tokens(wordpiece, text)) > 600
    (windows,) = WindowEncoder(wordpiece, "prompt", 128)([Exchange(text)])
    found = ["steal" in wordpiece.decode(window.input_ids) for window in windows]
    assert found == [False] * (len(windows) - 1) + [True]
    assert hidden in wordpiece.decode(windows[-1].input_ids)


def parts(tokenizer: PreTrainedTokenizerBase, window: Window) -> tuple[list[int], list[int]]:
    """The prompt's and the response's tokens of a BERT window."""
    ids = window.input_ids
    middle = ids.index(tokenizer.sep_token_id)
    return ids[1:middle], ids[middle + 1 : -1]


def test_a_prompt_is_shortened_before_its_response(wordpiece):
    prompt, prompt_ids = numbered(wordpiece, 50)
    response, response_ids = numbered(wordpiece, 20)
    (window,) = WindowEncoder(wordpiece, "response", 43)([Exchange(prompt, response)])[0]  # room for 40: 20 and 20
    assert parts(wordpiece, window) == (prompt_ids[:10] + prompt_ids[-10:], response_ids)


def test_a_prompt_that_fits_beside_its_response_stays_whole(wordpiece):
    prompt, prompt_ids = numbered(wordpiece, 20)
    response, response_ids = numbered(wordpiece, 20)
    assert parts(wordpiece, WindowEncoder(wordpiece, "response", 43)([Exchange(prompt, response)])[0][0]) == (
        prompt_ids,
        response_ids,
    )


def test_full_windows_begin_evenly_too(wordpiece):
    text, ids = numbered(wordpiece, 53)
    encode = WindowEncoder(wordpiece, "prompt", 32)
    assert [window.input_ids[1:-1] for window in encode([Exchange(text)], full=True)[0]] == [
        ids[start : start + 30]
        for start in (0, 12, 23)  # 23 / 2, rounded to an even number
    ]
    assert encode([Exchange("bread")], full=True) == encode([Exchange("bread")])


def test_a_long_response_is_seen_whole_beside_a_quarter_of_prompt(wordpiece):
    prompt, prompt_ids = numbered(wordpiece, 50)
    response, response_ids = numbered(wordpiece, 100)
    (windows,) = WindowEncoder(wordpiece, "response", 43)([Exchange(prompt, response)])  # room for 40: 10 and 30
    seen = [parts(wordpiece, window) for window in windows]
    assert {tuple(context) for context, _ in seen} == {tuple(prompt_ids[:5] + prompt_ids[-5:])}
    assert [part for _, part in seen] == [response_ids[start : start + 27] for start in (0, 18, 36, 55, 73)]


def test_a_short_prompt_gives_its_room_to_a_long_response(wordpiece):
    prompt, prompt_ids = numbered(wordpiece, 4)
    response, response_ids = numbered(wordpiece, 60)
    (windows,) = WindowEncoder(wordpiece, "response", 43)([Exchange(prompt, response)])  # room for 40: 4 and 36
    assert [parts(wordpiece, window) for window in windows] == [
        (prompt_ids, response_ids[:35]),
        (prompt_ids, response_ids[25:]),
    ]


def test_no_window_is_ever_longer_than_asked(tokenizer):
    for length in (16, 33):
        encoder = WindowEncoder(tokenizer, "response", length)
        for prompt in (0, 3, 40):
            for response in (0, 1, 29, 30, 100):
                exchange = Exchange("a " * prompt, "b " * response)
                assert all(len(window) <= length for window in encoder([exchange])[0])


def test_texts_that_spell_out_special_tokens_are_ordinary_text(wordpiece, byte_bpe):
    for tokenizer, spelled in ((wordpiece, "[SEP] [CLS] [PAD] [MASK]"), (byte_bpe, "</s> <s> <pad> <mask>")):
        own = one_window(WindowEncoder(tokenizer, "prompt", 128), "a " + spelled + " b").input_ids
        special = [token for token in own if token in tokenizer.all_special_ids]
        assert special == [tokenizer.cls_token_id, tokenizer.sep_token_id]


def test_a_tokenizer_saved_with_truncation_cuts_nothing(tiny_encoder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding(length=8)
    tokenizer.save_pretrained(tmp_path)
    encoder = WindowEncoder(AutoTokenizer.from_pretrained(tmp_path), "prompt", 64)
    assert len(one_window(encoder, "the " * 20)) == 22
    assert len(one_window(encoder, "the")) == 3


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("lone \ud800 high", "lone \ufffd high"),
        ("lone \udfff low", "lone \ufffd low"),
        ("\ud800\ud801", "\ufffd\ufffd"),
        ("plain", "plain"),
        ("👋 ü \ufffd", "👋 ü \ufffd"),
    ],
)
def test_lone_surrogates_become_replacement_characters(text, clean):
    assert without_surrogates(text) == clean


def test_lone_surrogates_can_be_encoded(tokenizer):
    encoder = WindowEncoder(tokenizer, "response", 64)
    assert encoder([Exchange("a \ud800", "b \udc00")]) == encoder([Exchange("a \ufffd", "b \ufffd")])


def test_a_megabyte_is_encoded_whole(tokenizer):
    word = tokens(tokenizer, " bread bread")[len(tokens(tokenizer, " bread")) :]
    text = " bread" * 170_000
    (windows,) = WindowEncoder(tokenizer, "prompt", 512)([Exchange(text)])
    assert len(text) > 1_000_000
    new, again = 382, 128  # tokens of a window of 510 that no window had before, and that the one before had
    assert len(windows) == math.ceil((170_000 * len(word) - again) / new)


def test_exchanges_keep_their_order_and_do_not_touch_each_other(tokenizer):
    encoder = WindowEncoder(tokenizer, "response", 32)
    exchanges = [Exchange("a", "b"), Exchange("how " * 50, "the " * 50), Exchange("", ""), Exchange("a", "b")]
    assert encoder(exchanges) == [encoder([exchange])[0] for exchange in exchanges]
    assert encoder([]) == []


def test_the_prompt_task_does_not_look_at_the_response(tokenizer):
    encoder = WindowEncoder(tokenizer, "prompt", 32)
    assert encoder([Exchange("how", "bread")]) == encoder([Exchange("how")])


def test_the_response_task_needs_a_response(tokenizer):
    with pytest.raises(ValueError, match=r"judges a response: Exchange\(prompt, response\)"):
        WindowEncoder(tokenizer, "response", 32)([Exchange("how")])


def test_a_window_without_room_for_text_is_refused(wordpiece, byte_bpe):
    with pytest.raises(
        SettingsError, match=r"window of 2 tokens leaves 0 for text beside 2 special tokens; .* least 10"
    ):
        WindowEncoder(wordpiece, "prompt", 2)
    with pytest.raises(
        SettingsError, match=r"window of 11 tokens leaves 7 for text beside 4 special tokens; .* least 12"
    ):
        WindowEncoder(byte_bpe, "response", 11)
    WindowEncoder(byte_bpe, "response", 12)
