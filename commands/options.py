"""Options that several commands share, and what their values mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..classifier.errors import SettingsError

if TYPE_CHECKING:
    from ..ssl_train.recipe import Source

SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another value for a key, e.g. data.labels=100."
)
YES = click.option("--yes", is_flag=True, help="Do not ask before calling the endpoint.")
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs; auto takes the GPU if there is one.",
)
MODELS = click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder with prompt/ and response/ (one may be missing), or one model folder.",
)


RAY = click.option("--ray", "on_ray", is_flag=True, help="Use a Ray cluster; see --set address in docs/serving.md.")


@contextmanager
def needing(command: str, extra: str) -> Iterator[None]:
    """Turn an import that fails in the block into the name of the extra that brings it.

    Raises:
        SettingsError: a module is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise SettingsError(f"railmatch {command} needs {error.name}: pip install 'railmatch[{extra}]'") from error


def source_of(data: str, fields: Sequence[str], split: str | None) -> "Source":
    """Turn DATA, --field and --split into the words of a recipe.

    Raises:
        SettingsError: a field is not NAME=FIELD, or RailMatch has no such field.
    """
    from ..ssl_train.recipe import FieldNames, FileSource, HubSource

    names = {}
    for written in fields:
        name, _, field = written.partition("=")
        if name not in FieldNames.model_fields or not field:
            known = ", ".join(FieldNames.model_fields)
            raise SettingsError(f"--field {written}: write NAME=FIELD with NAME one of {known}.")
        names[name] = field
    if split is not None:
        return HubSource(hub=data, split=split, fields=FieldNames(**names))
    return FileSource(file=data, fields=FieldNames(**names))
