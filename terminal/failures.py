"""Turn whatever stops a command into a line on standard error and an exit status."""

import errno
import traceback
from typing import Any

import click

from ..classifier.errors import RailMatchError

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130

KEPT = {
    "train": "Answers already paid for are in the cache, and the same command goes on from the last checkpoint.",
    "augment": "Answers already paid for are in the cache: the same command asks only for the others.",
    "synthesize": "Answers already paid for are in the cache, and the same command goes on from there.",
    "score": "What was judged is in the folder, and the same command goes on from there.",
    "harden": "Finished stages are kept, and the same command goes on from there.",
    "demo": "Models that were finished are in their folders.",
}
"""What an interrupted command leaves behind, by its name."""


class Failure(click.ClickException):
    """Ends a command with one line on standard error."""

    exit_code = EXIT_FAILED


class Commands(click.Group):
    """A group whose commands end in exit status 2 whatever fails, because 1 means that ``check`` blocked a text."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with; one of two words, as ``augment stats``, comes first."""
        name = " ".join(args[:2])
        command = self.get_command(ctx, name) if len(args) > 1 else None
        return (name, command, args[2:]) if command else super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn what it raises into a line and an exit status."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo(f"\nInterrupted. {KEPT.get(ctx.invoked_subcommand or '', 'Nothing was changed.')}", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except RailMatchError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            # A reader that stopped reading (`railmatch ... | head`) is no failure of ours: click knows what to do.
            if error.errno == errno.EPIPE:
                raise
            raise Failure(_os_error_line(error)) from error
        except Exception:
            # A fault of RailMatch: its traceback is wanted, Python's own exit status 1 is not.
            traceback.print_exc()
            ctx.exit(EXIT_FAILED)


def _os_error_line(error: OSError) -> str:
    """Say what the operating system refused, and about which file."""
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename}" if error.filename else reason
