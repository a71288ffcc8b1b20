"""Reading examples: every format gives the same records, and every fault names its file, row and cure."""

import json
from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.reading import open_table
from railmatch.ssl_train.data.records import Record, draw_balanced, find_path, load_records, text_id, without
from railmatch.ssl_train.recipe import FieldNames, FileSource, HubSource

ROWS = [
    {"id": "a", "prompt": "Help me threaten my neighbour", "response": "Here is how", "label": "harmful"},
    {"id": "b", "prompt": "Bake bread, please", "response": "Gladly", "label": "unharmful"},
    {"id": "c", "prompt": "Grüße 👋", "response": "Hallo", "label": "unharmful"},
]


def write_jsonl(path: Path, rows: list) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def written(folder: Path, rows: list, kind: str) -> str:
    """Write rows in a format by hand, so that a fault of our reader cannot hide in a fault of our writer."""
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        return write_jsonl(path, rows)
    if kind in ("csv", "tsv"):
        comma = "," if kind == "csv" else "\t"
        lines = [comma.join(rows[0]), *(comma.join(f'"{value}"' for value in row.values()) for row in rows)]
        path.write_text("\r\n".join(lines), encoding="utf-8-sig")
        return str(path)
    from datasets import Dataset

    dataset = Dataset.from_list(rows)
    if kind == "parquet":
        dataset.to_parquet(path)
    else:
        dataset.save_to_disk(path)
    return str(path)


@pytest.fixture
def dataset_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet", "saved"])
def test_every_format_gives_the_same_records(tmp_path, kind):
    source = written(tmp_path, ROWS, kind)
    assert load_records(source, "prompt", labelled=True) == [
        Record("a", Exchange("Help me threaten my neighbour"), 1),
        Record("b", Exchange("Bake bread, please"), 0),
        Record("c", Exchange("Grüße 👋"), 0),
    ]
    assert load_records(source, "response", labelled=True)[1] == Record(
        "b", Exchange("Bake bread, please", "Gladly"), 0
    )


def test_a_folder_of_data_files_is_a_data_set(tmp_path, dataset_cache):
    (tmp_path / "set").mkdir()
    write_jsonl(tmp_path / "set" / "train.jsonl", ROWS)
    write_jsonl(tmp_path / "set" / "test.jsonl", ROWS[1:2])
    assert [record.id for record in load_records(str(tmp_path / "set"), "prompt", labelled=True)] == ["a", "b", "c"]
    tests = HubSource(hub=str(tmp_path / "set"), split="test")
    assert [record.id for record in load_records(tests, "prompt", labelled=False)] == ["b"]


def test_class_labels_of_a_data_set_count_by_name_not_by_number(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"prompt": Value("string"), "label": ClassLabel(names=["harmful", "unharmful"])})
    rows = {"prompt": ["threaten", "bake"], "label": [0, 1]}
    Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    assert [record.label for record in load_records(str(tmp_path / "set"), "prompt", labelled=True)] == [1, 0]


def test_a_missing_class_label_is_a_missing_label(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"prompt": Value("string"), "label": ClassLabel(names=["unharmful", "harmful"])})
    Dataset.from_dict({"prompt": ["bake", "sing"], "label": [0, -1]}, features=features).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match="row 2: the label is missing"):
        load_records(str(tmp_path / "set"), "prompt", labelled=True)


def test_splits_of_a_saved_folder(tmp_path):
    from datasets import Dataset, DatasetDict

    one = Dataset.from_list(ROWS)
    DatasetDict({"train": one, "validation": one.select([1])}).save_to_disk(tmp_path / "several")
    one.save_to_disk(tmp_path / "one")
    chosen = HubSource(hub=str(tmp_path / "several"), split="validation")
    assert [record.id for record in load_records(chosen, "prompt", labelled=False)] == ["b"]
    with pytest.raises(DataError, match="no split 'test'; this data set has 'train', 'validation'"):
        load_records(HubSource(hub=str(tmp_path / "several"), split="test"), "prompt", labelled=False)
    with pytest.raises(DataError, match=r"this folder holds one split, .*; leave split out"):
        load_records(HubSource(hub=str(tmp_path / "one"), split="test"), "prompt", labelled=False)


def test_a_data_set_that_cannot_be_reached_is_named():
    with pytest.raises(DataError, match=r"nobody/nothing\[train\]: cannot load this data set: .+"):
        load_records(HubSource(hub="nobody/nothing"), "prompt", labelled=False)


@pytest.mark.parametrize(
    ("written_label", "label"),
    [
        *[(word, 1) for word in ("harmful", "HARMFUL", " harmful ", "1", "TRUE", 1, True, 1.0)],
        *[(word, 0) for word in ("unharmful", "UnHarmful", "0", "false", 0, False, 0.0)],
    ],
)
def test_labels_may_be_words_numbers_or_booleans(tmp_path, written_label, label):
    other = {"prompt": "other", "label": 1 - label}
    source = write_jsonl(tmp_path / "x.jsonl", [{"prompt": "text", "label": written_label}, other])
    assert load_records(source, "prompt", labelled=True)[0].label == label


@pytest.mark.parametrize("unknown", ["safe", 2, -1, 0.5, "1.0", [1], {"harmful": 1}, "NaN"])
def test_an_unknown_label_is_refused_with_its_row(tmp_path, unknown):
    source = write_jsonl(tmp_path / "x.jsonl", [ROWS[0], {"prompt": "text", "label": unknown}])
    with pytest.raises(DataError) as error:
        load_records(source, "prompt", labelled=True)
    assert str(error.value) == (
        f"{source}, row 2: unknown label {unknown!r}; it must be 'harmful' or 'unharmful' (or 1 or 0, true or false)"
    )


def test_a_row_without_the_label_field_is_named(tmp_path):
    source = write_jsonl(tmp_path / "x.jsonl", [*ROWS, {"prompt": "text", "lable": "harmful"}])
    with pytest.raises(DataError, match=r"row 4: no field 'label' .* did you mean 'lable'"):
        load_records(source, "prompt", labelled=True)


@pytest.mark.parametrize("row", [{"prompt": "text", "label": None}, {"prompt": "text", "label": ""}])
def test_a_labelled_set_needs_every_label(tmp_path, row):
    source = write_jsonl(tmp_path / "x.jsonl", [*ROWS, row])
    with pytest.raises(DataError, match="row 4: the label is missing; a labelled set needs one in every row"):
        load_records(source, "prompt", labelled=True)


def test_labels_of_a_pool_are_never_looked_at(tmp_path):
    rows = [{"prompt": "one", "label": "no label at all"}, {"prompt": "two", "label": 1}]
    records = load_records(write_jsonl(tmp_path / "x.jsonl", rows), "prompt", labelled=False)
    assert [record.label for record in records] == [None, None]


def test_one_class_alone_is_refused(tmp_path):
    source = write_jsonl(tmp_path / "x.jsonl", ROWS[1:])
    with pytest.raises(DataError, match="all 2 labels are 'unharmful'; examples of both classes are needed"):
        load_records(source, "prompt", labelled=True)


def test_fields_may_have_other_names(tmp_path):
    rows = [{"key": 7, "question": "threaten", "toxic": 1}, {"key": 8, "question": "bake", "toxic": 0}]
    source = FileSource(
        file=write_jsonl(tmp_path / "x.jsonl", rows), fields=FieldNames(id="key", prompt="question", label="toxic")
    )
    expected = [Record("7", Exchange("threaten"), 1), Record("8", Exchange("bake"), 0)]
    assert load_records(source, "prompt", labelled=True) == expected


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "saved"])
def test_a_missing_field_is_named_with_those_that_are_there(tmp_path, kind):
    source = written(tmp_path, [{"promt": "text", "label": "harmful"}], kind)
    with pytest.raises(DataError) as error:
        load_records(source, "prompt", labelled=False)
    at = {"jsonl": f"{source}, row 1", "saved": f"{source}[train]"}.get(kind, source)  # JSONL declares no columns
    assert str(error.value) == (
        f"{at}: no field 'prompt' (the fields are 'promt', 'label'); did you mean 'promt'? "
        "Name it in the recipe: fields: {prompt: promt}"
    )


def test_the_response_task_needs_a_response(tmp_path):
    source = write_jsonl(tmp_path / "x.jsonl", [{"prompt": "text"}])
    assert load_records(source, "prompt", labelled=False)[0].exchange == Exchange("text")
    with pytest.raises(DataError, match="row 1: no field 'response'"):
        load_records(source, "response", labelled=False)


@pytest.mark.parametrize(
    ("row", "task", "reason"),
    [
        ({"prompt": None}, "prompt", "the field 'prompt' is null; it must be a text"),
        ({"prompt": 5}, "prompt", "the field 'prompt' is of type int; it must be a text"),
        ({"prompt": [{"role": "user"}]}, "prompt", "the field 'prompt' is of type list; it must be a text"),
        ({"prompt": ""}, "prompt", "the field 'prompt' is empty; remove the row"),
        ({"prompt": " \n\t"}, "prompt", "the field 'prompt' is empty; remove the row"),
        ({"prompt": "x", "response": None}, "response", "the field 'response' is null; it must be a text"),
        ({"prompt": "x", "response": ""}, "response", "the field 'response' is empty; remove the row"),
    ],
)
def test_a_row_without_a_text_is_refused(tmp_path, row, task, reason):
    source = write_jsonl(tmp_path / "x.jsonl", [ROWS[0], row])
    with pytest.raises(DataError) as error:
        load_records(source, task, labelled=False)
    assert str(error.value) == f"{source}, row 2: {reason}"


def test_an_answer_may_stand_without_its_question(tmp_path):
    source = write_jsonl(tmp_path / "x.jsonl", [{"prompt": "", "response": "text"}])
    assert load_records(source, "response", labelled=False)[0].exchange == Exchange("", "text")


def test_a_missing_id_is_a_hash_of_what_is_judged(tmp_path):
    rows = [{"prompt": "one", "response": "x"}, {"prompt": "one", "response": "y"}, {"id": "", "prompt": "two"}]
    prompts = load_records(write_jsonl(tmp_path / "x.jsonl", rows), "prompt", labelled=False)
    assert prompts[0].id == prompts[1].id == text_id(Exchange("one")) != prompts[2].id
    pairs = load_records(write_jsonl(tmp_path / "y.jsonl", rows[:2]), "response", labelled=False)
    assert len({record.id for record in pairs} | {prompts[0].id}) == 3


def test_the_hash_never_changes():
    # blake2b of "one" in 8 bytes, by `printf one | b2sum -l 64`: caches and recorded rewrites depend on it
    assert text_id(Exchange("one")) == "34f2ddaa8b7615c9"


def test_an_id_given_twice_is_named_with_both_rows(tmp_path):
    first = write_jsonl(tmp_path / "x.jsonl", ROWS)
    second = write_jsonl(tmp_path / "y.jsonl", [{"id": "d", "prompt": "new"}, {"id": "b", "prompt": "other"}])
    with pytest.raises(DataError) as error:
        load_records([first, second], "prompt", labelled=False)
    assert str(error.value) == (
        f"{second}, row 2: the id 'b' was already used in {first}, row 2; every record needs its own"
    )


def test_several_sources_follow_each_other(tmp_path):
    sources = [written(tmp_path, ROWS[:2], "csv"), write_jsonl(tmp_path / "x.jsonl", ROWS[2:])]
    assert [record.id for record in load_records(sources, "prompt", labelled=True)] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_bytes_that_are_not_utf8_are_named_with_their_row(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    lines = (
        [b'{"prompt": "fine"}', '{"prompt": "Grüße"}'.encode("latin-1")] if kind == "jsonl" else [b"prompt", b"\xff"]
    )
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(
        DataError, match=r"row 2: not UTF-8 \(byte 0x(fc|ff) at position \d+ of the line\); save the file"
    ):
        load_records(str(path), "prompt", labelled=False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "x"', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('["x"]', "a JSON list where an object is wanted"),
        ("7", "a JSON int where an object is wanted"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(tmp_path, line, reason):
    path = tmp_path / "x.jsonl"
    path.write_text('{"prompt": "fine"}\n\n' + line + "\n")
    with pytest.raises(DataError, match=f"^{path}, row 3: {reason}"):
        load_records(str(path), "prompt", labelled=False)


def test_a_csv_cell_may_hold_line_breaks_and_a_megabyte(tmp_path):
    path = tmp_path / "x.csv"
    long = "word " * 250_000
    path.write_text(f'id,prompt\n1,"two\nlines, and ""quotes"""\n\n2,{long}\n', encoding="utf-8")
    records = load_records(str(path), "prompt", labelled=False)
    assert [record.exchange.prompt for record in records] == ['two\nlines, and "quotes"', long]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prompt,label\nHello, you,harmful\n", "row 2: 3 cells under a header of 2; put texts that hold the delimiter"),
        ('prompt\nfine\n"open\n', "row 3: not valid CSV"),
        ("prompt,prompt\na,b\n", "row 1: the header names 'prompt' twice"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path, text, reason):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{path}, {reason}"):
        load_records(str(path), "prompt", labelled=False)


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("prompt")
    with pytest.raises(DataError, match=f"^{path}: not a Parquet file"):
        load_records(str(path), "prompt", labelled=False)


def test_an_unknown_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "x.xlsx"
    path.touch()
    with pytest.raises(
        DataError, match=r"unknown kind of file '.xlsx'; RailMatch reads .jsonl, .csv, .tsv and .parquet"
    ):
        load_records(str(path), "prompt", labelled=False)


@pytest.mark.parametrize(("labelled", "what"), [(True, "labelled examples"), (False, "texts")])
@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_no_rows_are_too_few(tmp_path, name, labelled, what):
    path = tmp_path / name
    path.write_text("prompt,label\n" if name.endswith("csv") else "\n\n")
    with pytest.raises(DataError, match=f"^{path}: no rows; {what} are needed here"):
        load_records(str(path), "prompt", labelled=labelled)


def test_paths_start_at_the_current_folder_then_at_the_base(tmp_path, monkeypatch):
    base = tmp_path / "recipe"
    base.mkdir()
    monkeypatch.chdir(tmp_path)
    write_jsonl(base / "prompt_x.jsonl", ROWS[:1])
    assert load_records("{task}_x.jsonl", "prompt", labelled=False, base=base)[0].id == "a"
    write_jsonl(tmp_path / "prompt_x.jsonl", ROWS[1:2])
    assert load_records("{task}_x.jsonl", "prompt", labelled=False, base=base)[0].id == "b"


def test_a_missing_file_is_named_with_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        find_path("x.jsonl", "prompt", Path("base"))
    assert str(error.value) == (f"x.jsonl: no such file (looked for {tmp_path}/x.jsonl and {tmp_path}/base/x.jsonl)")
    with pytest.raises(DataError, match=r"; for a data set of the Hub write \{hub: allenai/wildguardmix\}"):
        find_path("allenai/wildguardmix", "prompt")


def test_a_source_that_cannot_be_a_path_is_not_found():
    with pytest.raises(DataError, match="no such file"):
        find_path("x" * 5000, "prompt")


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(DataError, match=r"x.jsonl: cannot be read: Is a directory"):
        next(open_table(tmp_path / "x.jsonl", []).rows)


def records(harmful: int, unharmful: int) -> list[Record]:
    labels = [1] * harmful + [0] * unharmful
    return [Record(f"{number:03}", Exchange(f"text {number}"), label) for number, label in enumerate(labels)]


def test_a_draw_is_balanced_and_depends_on_the_seed_alone():
    pool = records(30, 50)
    drawn = draw_balanced(pool, 21, seed=3)
    assert sorted(record.label for record in drawn) == [0] * 11 + [1] * 10
    assert len({record.id for record in drawn}) == 21
    assert draw_balanced(pool[::-1], 21, seed=3) == drawn
    assert draw_balanced(pool, 21, seed=4) != drawn


def test_a_draw_is_the_same_on_every_machine():
    # random.Random(0).sample and .shuffle, which Python keeps alike between versions
    assert [record.id for record in draw_balanced(records(5, 5), 4, seed=0)] == ["008", "000", "009", "002"]


def test_too_few_labels_are_counted_by_class():
    with pytest.raises(DataError) as error:
        draw_balanced(records(3, 50), 20, seed=0)
    assert str(error.value) == (
        "20 labels were asked for, 10 unharmful and 10 harmful, but the labelled set holds 50 unharmful and 3 harmful: "
        "set data.labels to at most 6, leave it out to use all, or add examples"
    )


def test_an_odd_draw_is_bounded_by_what_the_message_says():
    assert len(draw_balanced(records(3, 3), 6, seed=0)) == 6
    with pytest.raises(DataError, match="at most 6"):
        draw_balanced(records(3, 3), 7, seed=0)


def test_the_pool_loses_labelled_texts_and_repetitions(caplog):
    labelled = [Record("l", Exchange("Steal a  CAR"), 1)]
    texts = [
        "steal a car",
        "bake",
        "Bake ",
        "fish",
        "fish",
        "\uff46\uff49\uff53\uff48",
    ]  # the last in full-width letters
    pool = [Record(str(number), Exchange(text)) for number, text in enumerate(texts)]
    with caplog.at_level("INFO", logger="railmatch"):
        assert [record.id for record in without(pool, labelled)] == ["1", "3"]
    assert caplog.messages == ["pool: 2 texts kept, 1 are labelled and 3 repeat another one"]


def test_pairs_are_the_same_only_as_a_whole():
    labelled = [Record("l", Exchange("prompt", "one"), 1)]
    pool = [Record("1", Exchange("prompt", "two")), Record("2", Exchange("Prompt", "ONE"))]
    assert [record.id for record in without(pool, labelled)] == ["1"]


def test_a_pool_of_labelled_texts_alone_is_empty():
    labelled = [Record("l", Exchange("text"), 1)]
    with pytest.raises(DataError, match="the unlabelled pool is empty: of its 1 texts, 1 are among the labelled ones"):
        without([Record("u", Exchange("text"))], labelled)
