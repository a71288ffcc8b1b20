"""The command that shows everything at once."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("railmatch-demo"),
    show_default=True,
    help="Where models/ and guardrails/ are written.",
)
def demo(out: Path) -> None:
    """Train both classifiers from the starter data and guard a chat with them.

    Example:

    \b
        railmatch demo --out railmatch-demo

    \b
    - Needs neither a GPU, nor an endpoint, nor a network.
    - Compares FixMatch with supervised training on the same labels.
    - Ends with a real LLMRails that blocks and allows.
    - Replaces what an earlier demo left in models/ and guardrails/ there.
    """
    from ..demo.run import run_demo
    from ..ssl_train.progress import terminal_progress

    run_demo(out, say=click.echo, progress=terminal_progress())
