"""Out of memory: half the batch, a word about it, and on."""

import pytest
import torch
from railmatch.classifier.errors import ModelError
from railmatch.ssl_train.memory import Batch


def work_within(limit: int):
    """Work that needs memory for its batch and has some for ``limit``."""

    def work(size: int) -> int:
        if size > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return size

    return work


def test_the_batch_is_halved_until_it_fits_and_stays_so():
    said: list[str] = []
    batch = Batch(64, "texts", said.append)
    assert batch.run(work_within(20)) == 16
    assert batch.run(work_within(64)) == 16
    assert said == [
        "out of GPU memory: going on with batches of 32 texts",
        "out of GPU memory: going on with batches of 16 texts",
    ]


def test_what_does_not_fit_at_all_ends_with_a_cure():
    with pytest.raises(ModelError) as error:
        Batch(2, "texts", lambda words: None).run(work_within(0))
    assert str(error.value) == (
        "out of GPU memory even with batches of 1 texts: take a smaller model, end what else uses the GPU, or set "
        "device to cpu"
    )


def test_other_errors_pass():
    def work(size: int) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        Batch(2, "texts").run(work)
