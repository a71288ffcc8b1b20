"""Write docs/cli.md anew from the commands' own help: ``make docs``."""

from pathlib import Path

import click
from railmatch.cli import main

WIDTH = 100
PAGE = Path(__file__).with_name("cli.md")

HEAD = """# Command reference

What `railmatch COMMAND --help` prints. Written by `make docs`: change the help texts in `commands/` instead.
"""


def reference() -> str:
    """Give the text of the page: the group's help, then that of every command in alphabetical order."""
    settings = {**main.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    root = click.Context(main, info_name="railmatch", **settings)
    sections = [f"## railmatch\n\n{_help(root)}"]
    for name in main.list_commands(root):
        command = main.get_command(root, name)
        if command is not None:
            context = click.Context(command, info_name=name, parent=root)
            sections.append(f"## railmatch {name}\n\n{_help(context)}")
    return "\n".join([HEAD, *sections])


def _help(context: click.Context) -> str:
    """Give one command's help as a block of Markdown."""
    return f"```\n{context.get_help()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
