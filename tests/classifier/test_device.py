"""The device: the GPU where there is one, and a clear refusal where there is none."""

import pytest
import torch
from railmatch.classifier.device import choose_device
from railmatch.classifier.errors import ModelError


def test_auto_takes_the_gpu_when_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(ModelError) as refused:
        choose_device("cuda")
    assert str(refused.value) == "device is 'cuda', but no CUDA device is available; set device to 'auto' or 'cpu'"
