"""Requests that are spread over turns: how many are stopped, and how many harmless ones, without and with context.

    python benchmarks/conversations.py models/prompt

The conversations are those of config/starter/conversations.jsonl, or of --conversations: lines of {"id", "label",
"turns": [["user", "..."], ["bot", "..."], ...]} that end with the user. Of the shipped ones two at a time begin alike,
and what is asked last makes one of them harmful; no model has seen them in training. Each is checked as NeMo's LLMRails
does it, with ``context_turns`` of 0, 1 and so on, at the threshold stored with MODEL.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NEMO_GUARDRAILS_NO_USAGE_STATS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import click
from nemoguardrails import LLMRails
from railmatch.classifier.tasks import LABELS
from railmatch.rails.actions import GuardActions
from railmatch.rails.guard import Guard
from serving_rails import ACTION, rails_with

SHIPPED = Path(__file__).parent.parent / "config" / "starter" / "conversations.jsonl"

ROLES = {"user": "user", "bot": "assistant"}


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--conversations", "file", default=SHIPPED, type=click.Path(exists=True, path_type=Path), help="Which.")
@click.option("--context-turns", default="0,1,3", show_default=True, help="Earlier messages, separated by commas.")
def main(model: Path, file: Path, context_turns: str) -> None:
    """Check the conversations and print a table."""
    conversations = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    click.echo("| context_turns | " + " | ".join(f"{label} blocked" for label in LABELS) + " |\n| --- | --- | --- |")
    with Guard.load(model) as guard:
        rails = rails_with(GuardActions(guard).check_input)
        for turns in map(int, context_turns.split(",")):
            rails.register_action(GuardActions(guard, context_turns=turns).check_input, ACTION)
            click.echo(f"| {turns} | " + " | ".join(blocked(rails, conversations, label) for label in LABELS) + " |")


def blocked(rails: LLMRails, conversations: Sequence[dict[str, Any]], label: str) -> str:
    """Say how many of the conversations with a label are blocked at their last message."""
    chosen = [conversation["turns"] for conversation in conversations if conversation["label"] == label]

    async def statuses() -> list[str]:
        return [(await rails.check_async(list(map(_message, turns)))).status for turns in chosen]

    return f"{asyncio.run(statuses()).count('blocked')} of {len(chosen)}"


def _message(turn: Sequence[str]) -> dict[str, str]:
    who, text = turn
    return {"role": ROLES[who], "content": text}


if __name__ == "__main__":
    main()
