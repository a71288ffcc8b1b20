"""The most that can still be asked, counted by hand."""

from railmatch.ssl_train.recipe import EndpointSettings
from railmatch.ssl_train.synthesis.bounds import FRAME, VERDICT, most_after
from railmatch.ssl_train.synthesis.recipe import SeedSettings, SynthesisRecipe

PROMPT = SynthesisRecipe(
    task="prompt",
    seeds=SeedSettings(file="x"),
    endpoint=EndpointSettings(model="m", price_input=1.0, price_output=1_000_000.0),
)


def test_after_queries_come_votes_paraphrases_and_votes_again():
    # 10 seeds with 8 texts: 3 judges x 4 batches of 20, a call for the paraphrases of each seed, and votes again
    found = most_after(PROMPT, "queries", 80, 10, 30, 100)
    assert (found.calls, found.at_most) == (12 + 10 + 12, True)
    assert found.input_tokens == 24 * (FRAME + 100 + 20 * 30) + 10 * (FRAME + 8 * 30)
    assert found.output_tokens == 24 * 20 * VERDICT + 10 * 8 * 30
    assert found.cost == found.input_tokens / 1e6 + found.output_tokens


def test_after_paraphrases_only_their_votes_are_left():
    assert most_after(PROMPT, "paraphrases", 21, 10, 30, 100).calls == 3 * 2
    assert most_after(PROMPT, "queries", 0, 10, 30, 100).calls == 0


def test_responses_need_a_call_for_each_message_and_votes_on_two_each():
    recipe = PROMPT.model_copy(update={"task": "response"})
    # votes on 20 paraphrases: 3; 20 calls for responses; votes on 40 pairs: 3 x 2
    assert most_after(recipe, "paraphrases", 20, 10, 30, 100).calls == 3 + 20 + 6
    assert most_after(recipe, "responses", 40, 10, 30, 100).calls == 6
