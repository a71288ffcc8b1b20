"""What is refused before anything is paid for: too few steps for the method."""

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.preflight import require_passes
from railmatch.ssl_train.recipe import Recipe


def recipe(method: str, steps: int, **augment: str) -> Recipe:
    """A recipe with 10 texts of the pool a step."""
    return Recipe.model_validate(
        {
            "task": "prompt",
            "data": {"labelled": "labelled.jsonl", "unlabelled": "unlabelled.jsonl"},
            "method": {"name": method},
            "augment": augment,
            "training": {"steps": steps, "unlabelled_batch": 10},
        }
    )


# A pass over 100 texts takes 10 steps; MultiMatch counts from the second pass on, MarginMatch from the third.
@pytest.mark.parametrize(("method", "enough"), [("multimatch", 11), ("marginmatch", 21), ("fixmatch", 1)])
def test_a_method_that_needs_passes_over_the_pool_gets_them(method, enough):
    require_passes(recipe(method, enough), 100)


@pytest.mark.parametrize(("method", "few"), [("multimatch", 10), ("marginmatch", 20)])
def test_too_few_steps_are_refused(method, few):
    with pytest.raises(SettingsError, match=rf"training\.steps is {few}, .* to at least {few + 1}"):
        require_passes(recipe(method, few), 100)


def test_a_pool_that_may_yet_shrink_is_left_to_the_training():
    require_passes(recipe("multimatch", 10, fallback="leave_out"), 100)
