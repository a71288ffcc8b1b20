"""The endpoint client against a real server that misbehaves: what is tried again, what stops the run, what is said."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

import openai
import pytest
from endpoint import MODEL, ChatServer, Fault, always, first
from railmatch.classifier.errors import EndpointError
from railmatch.ssl_train.augment.endpoint import CallFailed, Endpoint, Reply
from railmatch.ssl_train.recipe import EndpointSettings

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}]


def settings_for(base_url: str | None, **changes: Any) -> EndpointSettings:
    quick = {"base_url": base_url, "model": MODEL, "api_key_env": "TEST_KEY", "backoff_s": 0.001, "timeout_s": 5.0}
    return EndpointSettings(**(quick | changes))


def ask(base_url: str | None, **changes: Any) -> Reply:
    async def run() -> Reply:
        async with Endpoint(settings_for(base_url, **changes)) as endpoint:
            return await endpoint.ask(MESSAGES)

    return asyncio.run(run())


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEST_KEY", "  secret-key\n")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_an_answer_comes_with_its_tokens():
    with ChatServer(lambda messages: f"{messages[-1]['content']} Well.") as server:
        assert ask(server.base_url) == Reply("How are you? Well.", input_tokens=5, output_tokens=4)
        assert server.keys == ["secret-key"]


def test_what_is_sent():
    with ChatServer() as server:
        ask(server.base_url, temperature=0.3, top_p=0.9, max_tokens=77)
        assert server.requests == [
            {"model": MODEL, "messages": MESSAGES, "max_tokens": 77, "temperature": 0.3, "top_p": 0.9}
        ]


def test_what_is_null_is_left_to_the_model():
    with ChatServer() as server:
        ask(server.base_url, temperature=None)
        assert server.requests == [{"model": MODEL, "messages": MESSAGES, "max_tokens": 1024}]


@pytest.mark.parametrize("kind", ["busy", "broken", "dropped", "wrapped_error"])
def test_a_passing_fault_is_tried_again(kind):
    with ChatServer(faults=first(2, Fault(kind))) as server:
        assert ask(server.base_url).text == "Fine, thank you."
        assert server.calls == 3


def test_a_hanging_call_is_given_up_and_tried_again():
    with ChatServer(faults=first(1, Fault("hang"))) as server:
        assert ask(server.base_url, timeout_s=0.2).text == "Fine, thank you."
        assert server.calls == 2


def test_the_wait_that_the_server_asks_for_is_kept():
    with ChatServer(faults=first(1, Fault("busy", retry_after="0.4"))) as server:
        ask(server.base_url)
        assert server.times[1] - server.times[0] >= 0.4


def test_the_wait_holds_back_every_call():
    def ask_three(base_url: str) -> Any:
        async def run() -> None:
            async with Endpoint(settings_for(base_url)) as endpoint:
                slow = asyncio.create_task(endpoint.ask(MESSAGES))
                while server.calls == 0 or not endpoint._closed_until:
                    await asyncio.sleep(0.005)
                await asyncio.gather(slow, endpoint.ask(MESSAGES), endpoint.ask(MESSAGES))

        return asyncio.run(run())

    with ChatServer(faults=first(1, Fault("busy", retry_after="0.4"))) as server:
        ask_three(server.base_url)
        assert server.calls == 4
        assert min(server.times[1:]) - server.times[0] >= 0.4


def test_a_wait_of_hours_stops_the_run():
    with ChatServer(faults=always(Fault("busy", retry_after="7200"))) as server:
        with pytest.raises(
            EndpointError, match="asks to come back in 7200 s: run again then, what was answered is stored"
        ):
            ask(server.base_url)
        assert server.calls == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("busy", "429: Rate limit reached"),
        ("broken", "500: The server had an error"),
        ("hang", "no answer within 0.1 s"),
    ],
)
def test_after_all_retries_the_text_is_given_up(kind, said: str):
    with ChatServer(faults=always(Fault(kind))) as server:
        with pytest.raises(CallFailed, match=said):
            ask(server.base_url, max_retries=3, timeout_s=0.1 if kind == "hang" else 5.0)
        assert server.calls == 4


def test_a_text_that_the_server_rejects_is_not_sent_again():
    with ChatServer(faults=always(Fault("rejected"))) as server:
        with pytest.raises(CallFailed, match="400: This text is not to my taste"):
            ask(server.base_url)
        assert server.calls == 1


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        ("unauthorised", "the key in the environment variable TEST_KEY is not accepted; put a valid one there"),
        ("forbidden", "the key in the environment variable TEST_KEY is not accepted"),
        ("no_model", "it has no model 'test-model'; set augment.endpoint.model"),
        ("no_address", "check augment.endpoint.base_url, which mostly ends in /v1, and augment.endpoint.model"),
        ("not_json", "this is not the chat-completions protocol; check augment.endpoint.base_url"),
        ("not_chat", "this is not the chat-completions protocol; check augment.endpoint.base_url"),
        ("no_funds", "the account has no credit left"),
    ],
)
def test_what_cannot_be_cured_by_waiting_stops_at_once(kind, cure: str):
    with ChatServer(faults=always(Fault(kind))) as server:
        with pytest.raises(EndpointError) as caught:
            ask(server.base_url)
        assert server.calls == 1
        assert cure in str(caught.value)
        assert server.base_url in str(caught.value)
        assert MODEL in str(caught.value)
        assert "secret-key" not in str(caught.value)


def test_json_that_breaks_off_is_not_json():
    def broken(listener: socket.socket) -> None:
        with listener.accept()[0] as client:
            client.recv(65536)
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\nConnection: close\r\n\r\n"
            )
            client.sendall(head + b'{"choice')

    async def run(base_url: str, listener: socket.socket) -> None:
        async with Endpoint(settings_for(base_url)) as endpoint:
            await asyncio.gather(asyncio.to_thread(broken, listener), endpoint.ask(MESSAGES))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with pytest.raises(EndpointError, match="an answer that is not JSON"):
            asyncio.run(run(base_url, listener))


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("empty", Reply("", input_tokens=5)),
        ("filtered", Reply("", refused=True, input_tokens=5)),
        ("content_filter", Reply("", refused=True)),
        ("cut", Reply("Fine, thank you.", cut=True, input_tokens=5, output_tokens=3)),
    ],
)
def test_answers_that_are_no_rewrite_are_told_apart(kind, reply: Reply):
    with ChatServer(faults=always(Fault(kind))) as server:
        assert ask(server.base_url) == reply


def test_a_model_that_wants_the_newer_name_of_the_limit_gets_it():
    async def run(base_url: str) -> list[Reply]:
        async with Endpoint(settings_for(base_url, max_retries=0)) as endpoint:
            together = await asyncio.gather(*(endpoint.ask(MESSAGES) for _ in range(4)))
            return [*together, await endpoint.ask(MESSAGES)]

    with ChatServer(faults=always(Fault("wants_max_completion_tokens"))) as server:
        assert {reply.text for reply in asyncio.run(run(server.base_url))} == {"Fine, thank you."}
        assert "max_completion_tokens" in server.requests[-1]
        assert "max_tokens" not in server.requests[-1]


def test_nobody_at_the_address_shows_soon():
    # Seven tries would be made of a call once anything was heard; a wrong address is given up after three.
    base_url = f"http://127.0.0.1:{unused_port()}/v1"
    with pytest.raises(CallFailed, match="no connection") as caught:
        ask(base_url, backoff_s=0.01)
    assert caught.value.trouble.unreachable


def test_without_a_key_openai_is_not_called(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(EndpointError) as caught:
        ask(None)
    assert str(caught.value) == (
        "endpoint https://api.openai.com/v1: the environment variable TEST_KEY is not set; put the key there "
        "(export TEST_KEY=...), name another variable in augment.endpoint.api_key_env, or give the address of an "
        "endpoint without keys in augment.endpoint.base_url"
    )


def test_an_endpoint_of_ones_own_may_need_no_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEST_KEY")
    with ChatServer() as server:
        assert ask(server.base_url).text == "Fine, thank you."
        assert server.keys == ["none"]


def test_an_answer_that_trickles_in_is_given_up_at_the_deadline():
    def trickle(listener: socket.socket, over: threading.Event) -> None:
        with listener.accept()[0] as client, contextlib.suppress(OSError):
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
            while not over.wait(0.02):
                client.sendall(b" ")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener, over))
        thread.start()
        try:
            with pytest.raises(CallFailed, match=r"no answer within 0\.3 s"):
                ask(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", timeout_s=0.3, max_retries=0)
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("kind", ["busy", "hang"])
def test_an_endpoint_that_cannot_keep_up_gets_half_as_many_calls(kind):
    async def run(base_url: str) -> tuple[float, float]:
        async with Endpoint(settings_for(base_url, timeout_s=0.3, max_concurrency=64)) as endpoint:
            before = endpoint._pace.limit
            await endpoint.ask(MESSAGES)
            return before, endpoint._pace.limit

    with ChatServer(faults=first(1, Fault(kind))) as server:
        before, afterwards = asyncio.run(run(server.base_url))
    assert (before, afterwards) == (16.0, 8.125)  # halved, and grown by an eighth with the answer


@pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://localhost/v1", "http://", "", "http://localhost:0/v1"])
def test_what_is_no_address_is_refused_by_the_settings(address: str):
    with pytest.raises(ValueError, match="must be a whole address, such as http://localhost:8000/v1"):
        settings_for(address)


@pytest.mark.parametrize("address", ["http://[oops", "http://localhost:123456/v1", "http://localhost:port/v1"])
def test_an_address_that_is_broken_is_refused_by_the_settings(address: str):
    with pytest.raises(ValueError, match="base_url"):
        settings_for(address)


def test_the_server_of_the_tests_also_streams_and_lists_its_model():
    async def run(base_url: str) -> tuple[str, str | None, list[str]]:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="any") as client:
            chunks = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            choices = [chunk.choices[0] async for chunk in chunks]
            models = [model.id async for model in client.models.list()]
            return "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason, models

    with ChatServer(lambda messages: "one\ntwo \U0001f600") as server:
        assert asyncio.run(run(server.base_url)) == ("one\ntwo \U0001f600", "stop", [MODEL])
