"""What a language model is told when it is to write an attack: one instruction for each class of seed."""

from pathlib import Path

from ...classifier.errors import SettingsError
from ...classifier.tasks import LABELS, Task
from ..augment.template import Template, parse_template
from ..places import first_there, places_of, tried
from .attack import Seed

FOLDER = Path(__file__).parent / "templates"


class Instructions:
    """The instructions for harmful and for unharmful seeds, which every kind of generator shares."""

    def __init__(self, task: Task, own: str | None = None, base: Path | None = None) -> None:
        """Read the shipped instructions of a task, or the user's ``own``, whose path holds ``{label}``.

        Raises:
            SettingsError: a file is missing or is not laid out as a template.
        """
        self.files = {label: _file(task, name, own, base) for label, name in enumerate(LABELS)}
        self._templates = {label: _read(file, f"attack/{LABELS[label]}") for label, file in self.files.items()}

    def template(self, seed: Seed) -> Template:
        """Give the instruction for a seed."""
        return self._templates[seed.label]

    def messages(self, seed: Seed) -> list[dict[str, str]]:
        """Write the chat messages that ask for an attack; a system message only where there are rules."""
        messages = self.template(seed).messages(seed.text)
        return [message for message in messages if message["content"]]

    def version(self, seed: Seed) -> str:
        """Name the instruction for a seed with the fingerprint of its words, for the lineage."""
        template = self.template(seed)
        return f"{template.name}@{template.fingerprint}"


def _file(task: Task, label: str, own: str | None, base: Path | None) -> Path:
    if own is None:
        return FOLDER / f"{task}_{label}.txt"
    places = places_of(own.replace("{label}", label), base)
    if (found := first_there(places)) is None:
        raise SettingsError(f"generator.instructions: no file {own.replace('{label}', label)} ({tried(places)})")
    return found


def _read(file: Path, name: str) -> Template:
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"generator.instructions: {file} cannot be read as UTF-8 text ({error})") from error
    return parse_template(content, name, str(file))
