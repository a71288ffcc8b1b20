"""The recipe: the shipped one is valid, and what cannot work is refused in its own words."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.adversarial.recipe import GeneratorSettings, HardenRecipe
from railmatch.ssl_train.recipe.file import load_settings

SHIPPED = Path(__file__).parents[3] / "config" / "harden.yml"
PLAIN = "task: prompt\nclassifier: models/prompt\ntraining: prompt.yml\n"
JUDGES = "judges: {classifiers: [{model: other}]}\n"


def load(tmp_path: Path, text: str) -> HardenRecipe:
    (tmp_path / "harden.yml").write_text(text)
    return load_settings(tmp_path / "harden.yml", HardenRecipe)


def test_the_shipped_recipe_opens_with_its_command_and_is_valid():
    assert SHIPPED.read_text().startswith("# railmatch harden harden.yml --out hardened\n")
    found = load_settings(SHIPPED, HardenRecipe)
    assert (found.generator.name, found.judges.votes, found.judges.needed) == ("endpoint", 3, 2)
    assert [endpoint.temperature for endpoint in found.endpoints] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "generator: {name: rl}\n" + JUDGES,
            "line 4: generator: name is 'rl', which samples a language model: name one in model",
        ),
        (
            "generator: {name: endpoint}\n" + JUDGES,
            "line 4: generator: name is 'endpoint', but there is nobody to ask: set endpoint, or name a file in "
            "recorded",
        ),
        (
            "generator: {name: endpoint, texts_a_seed: 17, endpoint: {model: m}}\n" + JUDGES,
            "line 4: generator: texts_a_seed is 17, but an endpoint is asked for at most 16 variants of a text: lower "
            "it",
        ),
        (
            "generator: {name: rl, model: m, texts_a_seed: 1}\n" + JUDGES,
            "line 4: generator: texts_a_seed is 1, but name is 'rl', which writes texts to learn from and others to "
            "harvest: set it to at least 2",
        ),
        (
            "generator: {name: none}\njudges: {agree: 2, classifiers: [{model: other}]}\n",
            "line 5: judges: agree is 2, but there are 1 votes: set it from 1 to 1",
        ),
        (
            "generator: {name: endpoint, recorded: r.jsonl}\n",
            "judges is without anybody: an attack that nobody judges may have become harmless; name an LLM in "
            "judges.endpoint, other classifiers in judges.classifiers, or both",
        ),
        (
            "generator: {name: none}\ngate: {cosine: [0.9, 0.5]}\n",
            "line 5: gate.cosine: [0.9, 0.5]: must be two numbers, the lower one first",
        ),
        (
            "generator: {name: ppo}\n",
            "line 4: generator.name: 'ppo' is not one of 'rl', 'best_of_n', 'endpoint' or 'none'",
        ),
    ],
)
def test_what_cannot_work_is_refused(text: str, problem: str, tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        load(tmp_path, PLAIN + text)
    assert str(error.value).endswith(problem)


def test_nobody_is_asked_about_cheap_calls_only_where_every_endpoint_says_so(tmp_path: Path):
    prices = "price_input: 1.0, price_output: 1.0, ask_above: "
    text = PLAIN + "generator: {{name: endpoint, endpoint: {{model: m, {}}}}}\njudges: {{endpoint: {{model: m{}}}}}\n"
    assert load(tmp_path, text.format(prices + "2.0", "")).ask_above is None
    assert load(tmp_path, text.format(prices + "2.0", ", " + prices + "1.5")).ask_above == 1.5


@pytest.mark.parametrize(
    ("name", "texts", "share", "to_learn"),
    [
        ("rl", 8, 0.75, 6),
        ("rl", 2, 0.75, 1),  # 1.5, but one is left to be harvested
        ("rl", 4, 0.1, 1),  # 0.4, but a generator that learns needs one
        ("best_of_n", 8, 0.75, 0),
    ],
)
def test_what_is_written_to_learn_leaves_something_to_harvest(name: str, texts: int, share: float, to_learn: int):
    rl = {"learning_share": share}
    settings = GeneratorSettings.model_validate({"name": name, "model": "m", "texts_a_seed": texts, "rl": rl})
    assert settings.texts_to_learn == to_learn
