"""What different servers answer, replayed byte by byte, and what is made of it.

The recordings are written after the servers' own sources and documentation: OpenAI, vLLM, Ollama, llama.cpp, TGI.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from railmatch.classifier.errors import EndpointError
from railmatch.ssl_train.augment.endpoint import CallFailed, Endpoint, Reply
from railmatch.ssl_train.recipe import EndpointSettings

Recording = tuple[int, dict[str, str], dict[str, Any]]
"""Status, headers and body of an answer."""


@contextmanager
def replay(*recordings: Recording) -> Iterator[str]:
    """Serve recordings one after the other, the last one again and again; gives the address."""
    left = list(recordings)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            """Write nothing on standard error."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(*recordings: Recording) -> Reply:
    async def run(base_url: str) -> Reply:
        settings = EndpointSettings(base_url=base_url, model="some-model", api_key_env="NO_SUCH_KEY", max_retries=1)
        async with Endpoint(settings.model_copy(update={"backoff_s": 0.001})) as endpoint:
            return await endpoint.ask([{"role": "user", "content": "Hello"}])

    with replay(*recordings) as base_url:
        return asyncio.run(run(base_url))


def completion(message: dict[str, Any], finish: str = "stop", **more: Any) -> Recording:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "some-model", "choices": [choice]}
    return 200, {}, {**body, "usage": usage, **more}


FINE = completion({"content": "Hi there"})
TOOK = {"input_tokens": 9, "output_tokens": 3}
HI = Reply("Hi there", **TOOK)


@pytest.mark.parametrize(
    ("recording", "reply"),
    [
        (completion({"content": "Hi there", "refusal": None, "annotations": []}, service_tier="default"), HI),
        (completion({"content": None, "refusal": "I can't."}), Reply("", refused=True, **TOOK)),
        (completion({"content": "Hi there", "reasoning_content": "Greet."}, prompt_logprobs=None), HI),
        (completion({"content": None, "reasoning": "Hm"}, "length"), Reply("", cut=True, **TOOK)),
        (completion({"content": "Hi there", "reasoning": "Greet."}, system_fingerprint="fp_ollama"), HI),
        (completion({"content": "Hi there"}, timings={"predicted_ms": 3.1}), HI),
        (completion({"content": "Hi there"}, "eos_token", system_fingerprint="3.0.1-sha"), HI),
        (completion({"content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]}), HI),
        (completion({"content": "Hi there"}, usage=None), Reply("Hi there")),
    ],
    ids=["openai", "openai refuses", "vllm thinks", "vllm thought too long", "ollama", "llama.cpp", "tgi", "pieces",
         "no usage"],
)  # fmt: skip
def test_answers_of_every_server_are_read(recording: Recording, reply: Reply):
    assert ask(recording) == reply


@pytest.mark.parametrize(
    "recording",
    [
        (429, {"retry-after-ms": "5"}, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}),
        (503, {}, {"error": {"message": "server busy, please try again.  maximum pending requests exceeded",
                             "type": "api_error", "param": None, "code": None}}),
        (503, {}, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
        (429, {}, {"error": "Model is overloaded", "error_type": "overloaded"}),
        (500, {}, {"object": "error", "message": "Internal server error", "type": "InternalServerError", "code": 500}),
    ],
    ids=["openai", "ollama", "llama.cpp", "tgi", "vllm"],
)  # fmt: skip
def test_passing_faults_of_every_server_are_tried_again(recording: Recording):
    assert ask(recording, FINE) == HI


@pytest.mark.parametrize(
    "recording",
    [
        (400, {}, {"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages "
                             "resulted in 9000 tokens.", "type": "invalid_request_error", "param": "messages",
                             "code": "context_length_exceeded"}}),
        (400, {}, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you "
                   "requested 5000 tokens.", "type": "BadRequestError", "param": None, "code": 400}),
        (400, {}, {"error": {"code": 400, "message": "the request exceeds the available context size. try increasing "
                             "the context size", "type": "exceed_context_size_error"}}),
        (422, {}, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 "
                   "`inputs` tokens and 1024 `max_new_tokens`", "error_type": "validation"}),
    ],
    ids=["openai", "vllm", "llama.cpp", "tgi"],
)  # fmt: skip
def test_a_text_that_no_server_of_the_kind_can_read_is_known_as_too_long(recording: Recording):
    assert ask(recording) == Reply("", cut=True)


@pytest.mark.parametrize(
    ("recording", "cure"),
    [
        ((404, {}, {"object": "error", "message": "The model `some-model` does not exist.", "type": "NotFoundError",
                    "param": None, "code": 404}), "it has no model 'some-model'"),
        ((404, {}, {"error": {"message": 'model "some-model" not found, try pulling it first', "type": "api_error",
                              "param": None, "code": None}}), "it has no model 'some-model'"),
        ((401, {}, {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}),
         "the key in the environment variable NO_SUCH_KEY is not accepted"),
        ((400, {}, {"error": {"message": "Unsupported value: 'temperature' does not support 0.7 with this model. Only "
                              "the default (1) value is supported.", "type": "invalid_request_error",
                              "param": "temperature", "code": "unsupported_value"}}),
         "model 'some-model' has its own temperature; set augment.endpoint.temperature to null"),
    ],
    ids=["vllm", "ollama", "llama.cpp", "openai"],
)  # fmt: skip
def test_what_cannot_be_cured_by_waiting_is_named_with_the_cure(recording: Recording, cure: str):
    with pytest.raises(EndpointError) as caught:
        ask(recording)
    assert cure in str(caught.value)


def test_a_server_that_is_never_ready_is_given_up():
    loading = (503, {}, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    with pytest.raises(CallFailed, match="503: Loading model"):
        ask(loading)
