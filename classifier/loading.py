"""Let transformers load and save quietly and one thread at a time."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers import logging as transformers_logging

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Run a block without the bars and the reports of transformers; afterwards both are as they were.

    transformers reports a fresh head as an error and draws bars for what takes a moment. Its verbosity belongs to the
    whole process, and so do the initialisers that it replaces while it loads: hence one thread at a time. The bars of
    a download stay, because a person waits for it.
    """
    with _ONE_AT_A_TIME:
        verbosity = transformers_logging.get_verbosity()
        bars = transformers_logging.is_progress_bar_enabled()
        downloads = not are_progress_bars_disabled()
        transformers_logging.set_verbosity(logging.ERROR)
        _show_bars(transformers=False, downloads=downloads)
        try:
            yield
        finally:
            transformers_logging.set_verbosity(verbosity)
            _show_bars(transformers=bars, downloads=downloads)


def _show_bars(*, transformers: bool, downloads: bool) -> None:
    """Turn bars on or off; the switch of transformers turns that of downloads as well, so it comes first."""
    if transformers:
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated there
    else:
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated there
    if downloads and are_progress_bars_disabled():
        enable_progress_bars()
    elif not downloads and not are_progress_bars_disabled():
        disable_progress_bars()
