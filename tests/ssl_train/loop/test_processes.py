"""Who does what when several processes train together."""

import pytest
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.ssl_train.loop.processes import make_accelerator, require_shares, share
from railmatch.ssl_train.recipe import TrainingSettings


def test_a_second_training_may_use_another_device(monkeypatch: pytest.MonkeyPatch):
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "meta")
    assert Accelerator().device.type == "meta"
    monkeypatch.delenv("ACCELERATE_TORCH_DEVICE")
    assert Accelerator().device.type == "meta"  # accelerate keeps the first one
    assert make_accelerator("cpu").device.type == "cpu"
    assert PartialState().device.type == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ModelError, match="no CUDA device is available; set device to 'auto' or 'cpu'"):
        make_accelerator("cuda")


@pytest.mark.parametrize("key", ["labelled_batch", "unlabelled_batch"])
def test_a_batch_smaller_than_the_processes_is_refused(key: str):
    with pytest.raises(SettingsError) as refused:
        require_shares(TrainingSettings(**{key: 3}), 4)
    assert str(refused.value) == (
        f"training.{key} is 3, but 4 processes share each batch: set it to at least 4, or launch fewer processes"
    )


def test_a_batch_for_each_process_is_enough():
    require_shares(TrainingSettings(labelled_batch=4, unlabelled_batch=4), 4)


def test_one_process_takes_the_whole_batch():
    assert share([5, 3, 8], make_accelerator("cpu")) == [5, 3, 8]
