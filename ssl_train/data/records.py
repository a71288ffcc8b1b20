"""Examples for training and testing: read, checked, drawn class-balanced, and kept apart from each other."""

import difflib
import hashlib
import logging
import random
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError
from ...classifier.inputs import Exchange
from ...classifier.tasks import LABELS, Task
from ..places import first_there, places_of, tried
from ..recipe import FieldNames, FileSource, HubSource, Source, Sources
from .reading import Table, open_dataset, open_table
from .recorded import load_rewrites, load_votes

__all__ = [
    "Record", "draw_balanced", "find_path", "load_records", "load_rewrites", "load_votes", "stream_records", "text_id",
    "without",
]  # fmt: skip

log = logging.getLogger(__name__)

LABEL_VALUES: Mapping[str, int] = {"unharmful": 0, "0": 0, "false": 0, "harmful": 1, "1": 1, "true": 1}
"""How a label may be written, in any case; numbers and booleans count as their text."""


@dataclass(frozen=True, slots=True)
class Record:
    """One example: what is judged, and its class (1 is harmful) where it is known.

    In the prompt task ``exchange.response`` is None, whatever the file holds beside the prompt.
    """

    id: str
    exchange: Exchange
    label: int | None = None


def find_path(path: str, task: Task, base: Path | None = None) -> Path:
    """Find a file or folder from the current folder, else from ``base``; ``{task}`` in ``path`` stands for the task.

    Raises:
        DataError: it is in neither place.
    """
    places = places_of(path.replace("{task}", task), base)
    if (found := first_there(places)) is not None:
        return found
    hint = f"; for a data set of the Hub write {{hub: {path}}}" if re.fullmatch(r"[\w.-]+/[\w-]+", path) else ""
    raise DataError(f"{path}: no such file ({tried(places)}){hint}")


def load_records(sources: Sources, task: Task, *, labelled: bool, base: Path | None = None) -> list[Record]:
    """Read the examples of one or several sources, in their order.

    A record without ``id`` gets a hash of its text. With ``labelled`` every row needs a label and both classes must
    occur; without it labels are not looked at. An empty prompt is refused in the prompt task and an empty response in
    the response task, where the prompt may be empty (an answer whose question is not known).

    Raises:
        DataError: a source is missing or unreadable, a row does not hold what the task needs, an id occurs twice, there
            are no rows, or a labelled set has one class only.
    """
    records: list[Record] = []
    seen: dict[str, str] = {}
    titles = []
    for source in sources if isinstance(sources, list) else [sources]:
        table, fields = _open(source, task, labelled, base)
        titles.append(table.name)
        records += _records(table, fields, task, labelled, seen)
    title = ", ".join(titles)
    if not records:
        raise DataError(f"{title}: no rows; {'labelled examples' if labelled else 'texts'} are needed here")
    if labelled:
        _require_both_classes(records, title)
    return records


def stream_records(source: Source, task: Task, *, base: Path | None = None) -> Iterator[Record]:
    """Yield the texts of a source one at a time, as logs need it: they may be larger than the memory.

    What differs from ``load_records``: labels are not looked at, an id may come again, and a text may be empty.

    Raises:
        DataError: the source is missing or unreadable, or a row does not hold what the task needs.
    """
    table, fields = _open(source, task, False, base)
    for number, row in table.rows:
        at = f"{table.name}, row {number}"
        prompt = _text(row, fields.prompt, "prompt", at, may_be_empty=True)
        pair = task == "response"
        exchange = Exchange(prompt, _text(row, fields.response, "response", at, may_be_empty=True) if pair else None)
        yield Record(_given_id(row, fields.id) or text_id(exchange), exchange)


def _require_both_classes(records: Sequence[Record], title: str) -> None:
    classes = {record.label for record in records}
    if len(classes) == 1:
        (only,) = classes
        raise DataError(
            f"{title}: all {len(records)} labels are {LABELS[only or 0]!r}; examples of both classes are needed"
        )


def _open(source: Source, task: Task, labelled: bool, base: Path | None) -> tuple[Table, FieldNames]:
    fields = FieldNames() if isinstance(source, str) else source.fields
    needed = {"prompt": fields.prompt}
    needed |= {"response": fields.response} if task == "response" else {}
    needed |= {"label": fields.label} if labelled else {}
    table = _table(source, [fields.id, *needed.values()], task, base)
    for role, name in needed.items():
        if table.fields is not None and name not in table.fields:
            raise DataError(_no_field(name, role, table.name, table.fields))
    return table, fields


def _table(source: Source, wanted: Sequence[str], task: Task, base: Path | None) -> Table:
    if isinstance(source, HubSource):
        hub, split = (text.replace("{task}", task) for text in (source.hub, source.split))
        return open_dataset(_folder(hub, task, base) or hub, source.name, split, wanted)
    path = find_path(source.file if isinstance(source, FileSource) else source, task, base)
    return open_dataset(path, None, "train", wanted) if path.is_dir() else open_table(path, wanted)


def _folder(hub: str, task: Task, base: Path | None) -> Path | None:
    try:
        path = find_path(hub, task, base)
    except DataError:
        return None
    return path if path.is_dir() else None


def _records(table: Table, fields: FieldNames, task: Task, labelled: bool, seen: dict[str, str]) -> Iterator[Record]:
    pair = task == "response"
    for number, row in table.rows:
        at = f"{table.name}, row {number}"
        prompt = _text(row, fields.prompt, "prompt", at, may_be_empty=pair)
        exchange = Exchange(prompt, _text(row, fields.response, "response", at) if pair else None)
        label = _label(row, fields.label, at) if labelled else None
        yield Record(_id(row, fields.id, exchange, at, seen), exchange, label)


def _text(row: Mapping[str, Any], name: str, role: str, at: str, *, may_be_empty: bool = False) -> str:
    if name not in row:
        raise DataError(_no_field(name, role, at, list(row)))
    value = row[name]
    if not isinstance(value, str):
        kind = "null" if value is None else f"of type {type(value).__name__}"
        raise DataError(f"{at}: the field {name!r} is {kind}; it must be a text")
    if not may_be_empty and not value.strip():
        raise DataError(f"{at}: the field {name!r} is empty; remove the row")
    return value


def _no_field(name: str, role: str, at: str, fields: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, fields, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return (
        f"{at}: no field {name!r} (the fields are {', '.join(map(repr, fields)) or 'none'}){guess} "
        f"Name it in the recipe: fields: {{{role}: {close[0] if close else '...'}}}"
    )


def _label(row: Mapping[str, Any], name: str, at: str) -> int:
    if name not in row:
        raise DataError(_no_field(name, "label", at, list(row)))
    value = row[name]
    if value is None or value == "":
        raise DataError(f"{at}: the label is missing; a labelled set needs one in every row (data.unlabelled does not)")
    written = int(value) if isinstance(value, float) and value.is_integer() else value
    label = LABEL_VALUES.get(str(written).strip().lower())
    if label is None:
        raise DataError(
            f"{at}: unknown label {value!r}; it must be 'harmful' or 'unharmful' (or 1 or 0, true or false)"
        )
    return label


def _id(row: Mapping[str, Any], name: str, exchange: Exchange, at: str, seen: dict[str, str]) -> str:
    identity = _given_id(row, name)
    if identity is None:
        return text_id(exchange)
    if identity in seen:
        raise DataError(f"{at}: the id {identity!r} was already used in {seen[identity]}; every record needs its own")
    seen[identity] = at
    return identity


def _given_id(row: Mapping[str, Any], name: str) -> str | None:
    given = row.get(name)
    return None if given is None or given == "" else str(given)


def text_id(exchange: Exchange) -> str:
    """Hash what is judged into 16 hexadecimal digits: the id of a record that has none. Equal texts have equal ids."""
    text = exchange.prompt if exchange.response is None else f"{exchange.prompt}\x1f{exchange.response}"
    return hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=8).hexdigest()


def normalised(text: str) -> str:
    """Fold case, compatibility forms and white space, so that copies of a text compare equal."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def text_key(exchange: Exchange) -> tuple[str, str | None]:
    """Give the normalised text by which two exchanges count as the same."""
    response = None if exchange.response is None else normalised(exchange.response)
    return normalised(exchange.prompt), response


def draw_balanced(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """Draw ``count`` labelled records, as many harmful as unharmful (an odd one is unharmful), in random order.

    The draw depends on the records and the seed alone, not on the order in which a file holds them.

    Raises:
        DataError: a class has fewer records than its share of ``count``.
    """
    wanted = {0: count - count // 2, 1: count // 2}
    by_class = {label: [record for record in records if record.label == label] for label in wanted}
    if any(len(by_class[label]) < wanted[label] for label in wanted):
        held = " and ".join(f"{len(by_class[label])} {LABELS[label]}" for label in wanted)
        most = 2 * min(len(group) for group in by_class.values())
        raise DataError(
            f"{count} labels were asked for, {wanted[0]} unharmful and {wanted[1]} harmful, but the labelled set holds "
            f"{held}: set data.labels to at most {most}, leave it out to use all, or add examples"
        )
    generator = random.Random(seed)
    drawn = []
    for label, group in by_class.items():
        # the exchange breaks ties between rows of one text, whose hashed ids are equal
        ordered = sorted(group, key=lambda record: (record.id, record.exchange.prompt, record.exchange.response or ""))
        drawn += generator.sample(ordered, wanted[label])
    generator.shuffle(drawn)
    return drawn


def without(pool: Sequence[Record], labelled: Sequence[Record]) -> list[Record]:
    """Give the pool without the labelled texts and without its own repetitions; the log tells how many went.

    Texts are compared after ``normalised``; of repetitions the first stays.

    Raises:
        DataError: nothing is left.
    """
    taken = {text_key(record.exchange) for record in labelled}
    seen = set(taken)
    kept = []
    known = 0
    for record in pool:
        key = text_key(record.exchange)
        known += key in taken
        if key not in seen:
            seen.add(key)
            kept.append(record)
    repeated = len(pool) - len(kept) - known
    log.info("pool: %d texts kept, %d are labelled and %d repeat another one", len(kept), known, repeated)
    if not kept:
        raise DataError(
            f"the unlabelled pool is empty: of its {len(pool)} texts, {known} are among the labelled ones; "
            "add texts to data.unlabelled"
        )
    return kept
