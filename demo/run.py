"""The demo: from the starter data to two classifiers and a chat that they guard."""

import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from ..classifier.tasks import Task
from ..rails.scaffold import write_config
from ..ssl_train.progress import Progress, silent
from .chat import answer_lines, ask_rails
from .comparison import compare, comparison_table, starter_test
from .kinds import blocked_by_kind, kinds_table


def run_demo(
    out: Path, *, say: Callable[[str], None], overrides: Sequence[str] = (), progress: Progress = silent
) -> None:
    """Train both tasks, write ``out/models`` and ``out/guardrails``, and run the rails on three messages.

    What an earlier demo left in ``out`` is replaced. ``say`` is called with every line for the reader. ``overrides``
    are ``key=value`` for the quickstart recipe.

    Raises:
        RailMatchError: an override cannot be used or a rail could not decide.
        OSError: ``out`` cannot be written.
    """
    models, config = out / "models", out / "guardrails"
    for task in get_args(Task):
        say(f"Is a {task} harmful? The same few labels, without and with the unlabelled texts:")
        say(comparison_table(compare(task, models, overrides=overrides, progress=progress)) + "\n")
        say(kinds_table(blocked_by_kind(models / task, starter_test(task))) + "\n")
    write_config(config, models, force=True)
    say(f"Wrote {models} and {config}. The rails of {config}, run by NeMo Guardrails:")
    for answer in ask_rails(config):
        say("\n".join(answer_lines(answer)))
    say(f"\nPeak memory: {peak_memory_gib():.2f} GiB. Try your own text:")
    say(f'  railmatch check "your text" --models {models}')


def peak_memory_gib() -> float:
    """Give the most memory that this process held at any time so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
