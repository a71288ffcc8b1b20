"""Batches of windows: hand-worked orders and paddings."""

import torch
from railmatch.classifier.batches import PADDING_SHARE, SPARE_TOKENS, batches_of_like_length, collate
from railmatch.classifier.inputs import Window


def test_longest_first_and_equal_lengths_in_their_order():
    assert list(batches_of_like_length([5, 9, 5, 7], 1000)) == [[1, 3, 0, 2]]


def test_a_batch_has_no_more_tokens_than_allowed_padding_included():
    # 10 + 10 fill 20; 9 and 9 would be 18 and a third is too many
    assert list(batches_of_like_length([9, 10, 9, 10, 9], 20)) == [[1, 3], [0, 2], [4]]
    # 3 windows padded to 7 are 21 tokens, although they hold only 19
    assert list(batches_of_like_length([7, 6, 6], 20)) == [[0, 1], [2]]
    assert list(batches_of_like_length([7, 6, 6], 21)) == [[0, 1, 2]]


def test_a_window_longer_than_allowed_is_alone_and_not_lost():
    assert list(batches_of_like_length([3, 100, 3], 8)) == [[1], [0, 2]]


def test_little_padding_is_spared_a_batch_and_much_is_not():
    assert (SPARE_TOKENS, PADDING_SHARE) == (128, 0.1)
    assert list(batches_of_like_length([138, 10], 10_000)) == [[0, 1]]  # 128 tokens of padding
    assert list(batches_of_like_length([139, 10], 10_000)) == [[0], [1]]  # 129: more than a tenth of 278
    # 13 windows of 100 and 2 of 25: the first adds 75 (of 1400), the second makes it 150, at most a tenth of 1500
    assert list(batches_of_like_length([100] * 13 + [25] * 2, 10_000)) == [list(range(15))]
    # with 12 of 100 the second makes it 150, more than a tenth of 1400
    assert list(batches_of_like_length([100] * 12 + [25] * 2, 10_000)) == [list(range(13)), [13]]


def test_every_window_is_in_one_batch():
    lengths = [(number * 37) % 500 + 1 for number in range(300)]
    batches = list(batches_of_like_length(lengths, 2000))
    assert sorted(index for batch in batches for index in batch) == list(range(300))
    assert all(lengths[batch[0]] * len(batch) <= 2000 for batch in batches)
    assert list(batches_of_like_length([], 2000)) == []


def test_windows_are_padded_on_the_right():
    batch = collate([Window([5, 6, 7], [0, 0, 1]), Window([8], [1])], pad=9)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
