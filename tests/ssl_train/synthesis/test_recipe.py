"""The recipe that is shipped is valid, and what makes no sense is refused with its place."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.recipe.file import load_settings
from railmatch.ssl_train.synthesis.recipe import SynthesisRecipe

SHIPPED = Path(__file__).parents[3] / "config" / "synthesis.yml"


def test_the_shipped_recipe_opens_with_its_command_and_is_valid():
    assert SHIPPED.read_text(encoding="utf-8").startswith("# railmatch synthesize synthesis.yml ")
    assert load_settings(SHIPPED, SynthesisRecipe).queries.per_seed == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("judges.agree=4", "judges: agree is 4, but there are 3 calls: at most so many can agree"),
        ("judges.models=[a, b, c, d]", "judges: 4 models for 3 calls: set calls to at least their number"),
        ("policy='  '", "policy: '  ': must say what counts as harmful, or name a .txt or .md file that does"),
    ],
)
def test_what_makes_no_sense_is_refused(override: str, message: str):
    with pytest.raises(SettingsError) as error:
        load_settings(SHIPPED, SynthesisRecipe, [override])
    where, said = str(error.value).split(": ", maxsplit=1)
    assert said == message
    assert where == f"--set {override}" or where.startswith(f"{SHIPPED}, line ")
