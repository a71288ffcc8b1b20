"""The command line: all commands of RailMatch in one group.

Nothing heavy is imported before a command needs it, so that help is there at once.
"""

import logging

import click

from . import __version__
from .commands.asking import augment, augment_stats, synthesize
from .commands.guarding import init, run_service
from .commands.hardening import harden
from .commands.judging import check, evaluate
from .commands.reviewing import review
from .commands.scoring import score
from .commands.showing import demo
from .commands.training import export, report, train
from .terminal.failures import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="railmatch")
@click.option("--verbose", is_flag=True, help="Say on standard error what the library is doing.")
def main(verbose: bool) -> None:
    """Train small safety classifiers from few labels and guard chat apps with them.

    Example:

    \b
        railmatch demo
        railmatch check "How do I get into her phone?" --models railmatch-demo/models
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")


for _command in (
    *(train, augment, augment_stats, synthesize, review, harden),
    *(evaluate, report, export, check, init, run_service, demo),
    score,
):
    main.add_command(_command)
