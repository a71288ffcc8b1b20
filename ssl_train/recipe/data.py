"""Where a recipe's examples come from."""

from pydantic import Field

from .sections import Section


class FieldNames(Section):
    """Under which names a data set holds the fields that RailMatch needs."""

    id: str = "id"
    prompt: str = "prompt"
    response: str = "response"
    label: str = "label"


class FileSource(Section):
    """A file (JSONL, CSV or Parquet) whose fields carry other names."""

    file: str
    fields: FieldNames = FieldNames()


class HubSource(Section):
    """A data set of the Hugging Face Hub, or a folder that ``datasets`` can load."""

    hub: str
    name: str | None = None
    split: str = "train"
    fields: FieldNames = FieldNames()


Source = str | FileSource | HubSource


Sources = Source | list[Source]


class DataSettings(Section):
    """Where the examples come from. Paths may hold ``{task}``; they start at the current folder, else at the recipe's.

    ``labels`` examples are drawn class-balanced by the seed; all are used when it is left out.
    ``rewrites`` are recorded rewrites ``{"id", "rewrites": [...]}``, one a strategy.
    ``votes`` are recorded judgements of the endpoint, ``{"id", "vote": 0..4}``.
    ``test`` is read only after training.
    """

    labelled: Sources
    labels: int | None = Field(default=None, ge=4)
    unlabelled: Sources | None = None
    rewrites: str | None = None
    votes: str | None = None
    test: Sources | None = None
