"""Recipe files: read, overridden and written back; every mistake is named with its line and its cure."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.recipe.file import dump_recipe, load_recipe

GOOD = """\
# railmatch train good.yml
task: prompt
data:
  labelled: labelled.jsonl
  labels: 200
  unlabelled:
    - pool.jsonl
    - {hub: owner/name, split: train, fields: {prompt: text}}
training: {steps: 100, learning_rate: 5e-5}
"""

MINIMAL = "task: prompt\ndata: {labelled: a, unlabelled: b}\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(path: Path, *overrides: str) -> str:
    """The whole message with which a recipe is refused, without the folder."""
    with pytest.raises(SettingsError) as error:
        load_recipe(path, overrides)
    return str(error.value).replace(f"{path.parent}/", "")


def test_a_recipe_is_read(write):
    recipe = load_recipe(write(GOOD))
    assert (recipe.task, recipe.data.labels, recipe.training.steps) == ("prompt", 200, 100)
    assert recipe.training.learning_rate == 5e-5  # which YAML 1.1 takes for a text
    assert recipe.data.unlabelled[1].fields.prompt == "text"


def test_a_recipe_written_is_read_back_equal(write):
    recipe = load_recipe(write(GOOD), ["encoder=Grüße/👋", "augment.endpoint={model: m, temperature: null}"])
    assert load_recipe(write(dump_recipe(recipe))) == recipe


def test_a_recipe_written_names_every_setting_in_the_order_of_the_model(write):
    text = dump_recipe(load_recipe(write(MINIMAL)))
    sections = [line.split(":")[0] for line in text.splitlines() if not line.startswith(" ")]
    assert sections == list(Recipe.model_fields)
    assert "\n  threshold: 0.95\n" in text


@pytest.mark.parametrize("name", ["prompt", "response", "cpu", "quickstart"])
def test_the_recipes_that_ship_are_good(name):
    folder = Path(__file__).parents[3] / "config"
    assert load_recipe(folder / f"{name}.yml").task == ("response" if name == "response" else "prompt")


def test_overrides_replace_and_add_settings(write):
    overrides = ["training.steps=7", "calibration.target_fpr=1e-1", "data.labels=", "data.test=[x.jsonl, y.jsonl]"]
    recipe = load_recipe(write(GOOD), overrides)
    assert (recipe.training.steps, recipe.training.learning_rate) == (7, 5e-5)
    assert recipe.calibration.target_fpr == 0.1
    assert recipe.data.labels is None
    assert recipe.data.test == ["x.jsonl", "y.jsonl"]


def test_an_override_may_hold_equals_signs(write):
    assert load_recipe(write(GOOD), ["encoder=a=b"]).encoder == "a=b"


def test_an_override_fills_an_empty_section(write):
    assert load_recipe(write(MINIMAL + "training:\n"), ["training.steps=3"]).training.steps == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.steps", "--set training.steps: write section.key=value, such as training.steps=500"),
        ("=5", "--set =5: write section.key=value, such as training.steps=500"),
        ("training..steps=5", "--set training..steps=5: write section.key=value, such as training.steps=500"),
        ("task.name=x", "--set task.name=x: task is 'prompt', not a section; set it whole"),
        (
            "training.steps=many",
            "--set training.steps=many: training.steps: 'many' is not allowed: it should be a valid integer",
        ),
        (
            "trainin.steps=5",
            "--set trainin.steps=5: trainin: unknown key; did you mean 'training'? "
            "Known here: task, seed, encoder, data, augment, method, training, calibration, report, export",
        ),
        ("encoder=[x", "--set encoder=[x, line 1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_a_wrong_override_is_named(write, override, message):
    assert refusal(write(GOOD), override) == message


def test_an_override_mends_a_wrong_setting(write):
    assert load_recipe(write(GOOD.replace("labels: 200", "labels: many")), ["data.labels=8"]).data.labels == 8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "labels: 200",
            "lables: 200",
            "recipe.yml, line 5: data.lables: unknown key; did you mean 'labels'? "
            "Known here: labelled, labels, unlabelled, rewrites, votes, test",
        ),
        (
            "labels: 200",
            "xyz: 200",
            "recipe.yml, line 5: data.xyz: unknown key. Known here: labelled, labels, ",
        ),
        (
            "task: prompt",
            "task: promt",
            "recipe.yml, line 2: task: 'promt' is not one of 'prompt' or 'response'; did you mean 'prompt'?",
        ),
        (
            "{steps: 100, learning_rate: 5e-5}",
            "{steps: 100, learning_rate: 5e-5}\nmethod: {gamma: virtul}",
            "recipe.yml, line 10: method.gamma: 'virtul' is not allowed; it should be 'virtual' or a number",
        ),
        (
            "{steps: 100, learning_rate: 5e-5}",
            "{steps: 100, learning_rate: 5e-5}\nmethod: {gamma: .inf}",
            "recipe.yml, line 10: method.gamma: inf is not allowed: it should be a finite number",
        ),
        (
            "{steps: 100, learning_rate: 5e-5}",
            "{steps: 100, learning_rate: 5e-5}\nmethod: {class_prior: 0.1}",
            "recipe.yml: method.class_prior is 0.1, which nothing uses: set method.alignment to true, ask for votes, "
            "or leave it out",
        ),
        (
            "labels: 200",
            "labels: 2",
            "recipe.yml, line 5: data.labels: 2 is not allowed: it should be greater than or equal to 4",
        ),
        ("task: prompt\n", "", "recipe.yml: task: is missing"),
        ("  labelled: labelled.jsonl\n", "", "recipe.yml, line 3: data.labelled: is missing"),
        (
            "{steps: 100, learning_rate: 5e-5}",
            "fast",
            "recipe.yml, line 9: training: 'fast' is not a section; write its keys below it: steps, ",
        ),
        (
            "split: train",
            "splt: train",
            "recipe.yml, line 8: data.unlabelled.1.splt: unknown key; did you mean 'split'? "
            "Known here: hub, name, split, fields",
        ),
        (
            "{prompt: text}",
            "{promt: text}",
            "recipe.yml, line 8: data.unlabelled.1.fields.promt: unknown key; did you mean 'prompt'? "
            "Known here: id, prompt, response, label",
        ),
        (
            "labelled: labelled.jsonl",
            "labelled: 5",
            "recipe.yml, line 4: data.labelled: 5 is not allowed; "
            "it should be a text or a section with file or a section with hub or a list",
        ),
        (
            "- pool.jsonl",
            "- 5",
            "recipe.yml, line 7: data.unlabelled.0: 5 is not allowed; "
            "it should be a text or a section with file or a section with hub",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_line_and_the_cure(write, old, new, message):
    assert old in GOOD
    assert refusal(write(GOOD.replace(old, new))).startswith(message)


def test_all_wrong_settings_are_named_together(write):
    text = GOOD.replace("labels: 200", "labels: 2").replace("steps: 100", "stpes: 100")
    assert [line.split(":")[0] for line in refusal(write(text), "seed=-1").splitlines()] == [
        "--set seed=-1",
        "recipe.yml, line 5",
        "recipe.yml, line 9",
    ]


def test_a_rule_between_settings_is_told_in_its_own_words(write):
    assert refusal(write("task: prompt\ndata: {labelled: a}\n")) == (
        "recipe.yml: method.name is 'fixmatch', which learns from unlabelled texts: set data.unlabelled, "
        "or method.name to supervised"
    )


def test_a_rule_of_one_setting_names_its_value(write):
    text = MINIMAL + "augment:\n  endpoint: {model: m, base_url: localhost}\n"
    assert refusal(write(text)) == (
        "recipe.yml, line 4: augment.endpoint.base_url: 'localhost': must be a whole address, "
        "such as http://localhost:8000/v1"
    )


def test_a_key_given_twice_is_named_with_both_lines(write):
    assert refusal(write(MINIMAL + "method:\n  threshold: 0.9\n  threshold: 0.8\n")) == (
        "recipe.yml, line 5: the key method.threshold is already in line 4; keep one of them"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [prompt\nseed: 1\n", "recipe.yml, line 2: not valid YAML: expected ',' or ']', but got ':'"),
        (
            "task: !!python/object:os.system x\n",
            "recipe.yml, line 1: not valid YAML: could not determine a constructor",
        ),
        ("task: a\x07b\n", "recipe.yml: not valid YAML: unacceptable character #x0007"),
        ("", "recipe.yml: a recipe is a mapping of settings"),
        ("- task\n", "recipe.yml: a recipe is a mapping of settings"),
        ("[" * 5000, "recipe.yml: not valid YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(write, text, message):
    assert refusal(write(text)).startswith(message)


def test_aliases_that_would_grow_without_end_are_read_in_passing(write):
    levels = "\n".join(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 30))
    assert "l7: unknown key" in refusal(write(MINIMAL + "l0: &l0 [x]\n" + levels))


def test_a_recipe_that_is_not_there_or_not_readable(tmp_path):
    assert refusal(tmp_path / "none.yml") == "none.yml: no such recipe (looked for none.yml)"
    folder = tmp_path / "folder.yml"
    folder.mkdir()
    assert refusal(folder) == "folder.yml: cannot be read: Is a directory"
    other = tmp_path / "latin.yml"
    other.write_bytes("task: Grüße".encode("latin-1"))
    assert refusal(other) == "latin.yml: not UTF-8; save the file as UTF-8"
