"""transformers loads and saves in silence, and is afterwards as it was."""

import importlib
import logging
import threading

import pytest
from huggingface_hub.utils.tqdm import are_progress_bars_disabled
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.loading import quiet_transformers
from railmatch.classifier.model import SafetyClassifier
from transformers import logging as transformers_logging
from transformers.utils import logging as internal


@pytest.fixture
def bars(monkeypatch):
    """Turn the bars on, as they are for a user; tests/conftest.py turns them off."""
    hub = importlib.import_module("huggingface_hub.utils.tqdm")  # as an attribute, the name is that of a class
    monkeypatch.setattr(hub, "HF_HUB_DISABLE_PROGRESS_BARS", None)
    monkeypatch.setattr(hub, "progress_bar_states", {})
    before = transformers_logging.is_progress_bar_enabled()
    transformers_logging.enable_progress_bar()
    yield
    if not before:
        transformers_logging.disable_progress_bar()


@pytest.mark.usefixtures("bars")
def test_nothing_is_written_while_a_model_is_made_saved_and_loaded(encoder, tmp_path, capfd):
    classifier = SafetyClassifier.from_encoder(encoder, "prompt", window=64)
    classifier.save(tmp_path)
    SafetyClassifier.load(tmp_path, device="cpu").predict_proba([Exchange("bread " * 600)])
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")


@pytest.mark.usefixtures("bars")
def test_a_bar_would_be_seen_outside(capfd):
    list(internal.tqdm(range(3), desc="Loading weights"))
    assert "Loading weights" in capfd.readouterr().err
    with quiet_transformers():
        list(internal.tqdm(range(3), desc="Loading weights"))
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("bars")
@pytest.mark.parametrize("verbosity", [logging.INFO, logging.CRITICAL])
def test_verbosity_and_bars_are_afterwards_as_before(verbosity):
    before = transformers_logging.get_verbosity()
    try:
        transformers_logging.set_verbosity(verbosity)
        with pytest.raises(KeyError), quiet_transformers():
            assert transformers_logging.get_verbosity() == logging.ERROR
            assert not transformers_logging.is_progress_bar_enabled()
            assert not are_progress_bars_disabled()  # a download still shows how far it is
            raise KeyError
        assert transformers_logging.get_verbosity() == verbosity
        assert transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.set_verbosity(before)


def test_bars_that_were_off_stay_off():
    assert not transformers_logging.is_progress_bar_enabled()
    assert are_progress_bars_disabled()
    with quiet_transformers():
        assert are_progress_bars_disabled()
    assert not transformers_logging.is_progress_bar_enabled()
    assert are_progress_bars_disabled()


def test_two_threads_take_turns():
    """Else the second would remember the silence of the first, and leave it behind."""
    order: list[str] = []

    def second() -> None:
        with quiet_transformers():
            order.append("second")

    before = transformers_logging.get_verbosity()
    thread = threading.Thread(target=second)
    with quiet_transformers():
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert transformers_logging.get_verbosity() == before
