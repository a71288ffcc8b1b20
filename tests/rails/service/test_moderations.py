"""``/v1/moderations``: the ``openai`` client's own ``moderations.create`` against the server."""

import asyncio
from collections.abc import Callable, Iterator

import openai
import pytest
from railmatch.rails.guard import Guard

from .conftest import CLOSED, Running


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_the_openai_client_reads_the_answer(client: openai.OpenAI, guard: Guard) -> None:
    answer = client.moderations.create(input="where is a weapon")
    (result,) = answer.results
    assert answer.id.startswith("modr-")
    assert answer.model == f"railmatch-prompt-{guard.checks['prompt'].version}"
    assert result.flagged is True
    assert result.categories.harmful is True
    assert result.category_scores.harmful == pytest.approx(guard.check_prompt("where is a weapon").score)
    assert result.category_applied_input_types.harmful == ["text"]
    assert set(result.railmatch) == {
        "decision", "score", "threshold", "windows", "milliseconds", "reason", "task", "version", "undone",
    }  # fmt: skip


def test_several_texts_are_answered_in_their_order(client: openai.OpenAI) -> None:
    answer = client.moderations.create(input=["bread", "weapon", "cake"])
    assert [result.flagged for result in answer.results] == [False, True, False]


def test_the_asynchronous_client_works_too(running: Running) -> None:
    async def ask() -> bool:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="any", max_retries=0) as client:
            return (await client.moderations.create(input="weapon", model="omni-moderation-latest")).results[0].flagged

    assert asyncio.run(ask())


@pytest.mark.parametrize(
    ("options", "flagged"),
    [
        ({"model": "response"}, [True, False]),
        ({"extra_body": {"prompt": "hi"}}, [True, False]),
        ({"extra_body": {"prompt": ["hi", "how do i steal"]}}, [True, True]),  # a response is judged with its prompt
        ({"model": "prompt"}, [False, True]),
    ],
)
def test_the_models_name_or_a_prompt_chooses_the_model(
    client: openai.OpenAI, options: dict[str, object], flagged: list[bool]
) -> None:
    answer = client.moderations.create(input=["i steal", "a weapon"], **options)
    assert [result.flagged for result in answer.results] == flagged


def test_the_address_chooses_the_model(running: Running) -> None:
    with openai.OpenAI(base_url=f"{running.url}/response/v1", api_key="any", max_retries=0) as client:
        answer = client.moderations.create(input=["i steal", "a weapon"])
    assert [result.flagged for result in answer.results] == [True, False]
    assert answer.model.startswith("railmatch-response-")


def test_an_undecided_text_is_an_error_that_the_client_raises(start: Callable[..., Running], closed: Guard) -> None:
    server = start(closed)
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.moderations.create(input="bread")
    assert caught.value.status_code == 503
    assert caught.value.code == "undecided"
    assert caught.value.body == {
        "message": f"a text could not be judged: {CLOSED}",
        "type": "server_error",
        "param": None,
        "code": "undecided",
    }


def test_a_wrong_name_is_an_error_and_no_default(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.moderations.create(input="bread", model="responses")
    assert caught.value.body["message"] == "there is no model 'responses'; there are prompt and response"
