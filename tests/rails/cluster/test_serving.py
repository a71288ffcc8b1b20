"""``railmatch serve --ray`` with two replicas on a Ray: what clients see of it, of deaths, updates and the end.

One command serves nearly all tests of this file, in their order, until one of them ends it; the last has its own.
"""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from shutil import copytree
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.cluster.settings import ReplicaSettings

MINUTE = 60
KEY = {"Authorization": "Bearer right"}
CLIENTS = 4


@dataclass
class Serving:
    """The command, what it says, its address, and the models that it serves."""

    process: "subprocess.Popen[str]"
    said: "queue.Queue[str]"
    url: str
    models: Path

    def says(self) -> str:
        """Wait for a line of its own; Ray writes others between them."""
        while not (line := self.said.get(timeout=10 * MINUTE)).startswith(("Ready", "Updated", "Not updated")):
            pass
        return line

    def ask(self, text: str, client: Any = httpx) -> httpx.Response:
        return client.post(f"{self.url}/classify", json={"input": text}, headers=KEY, timeout=2 * MINUTE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def serving(cluster: str, trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    models, port = tmp_path_factory.mktemp("served") / "models", free_port()
    copytree(trigger_models, models)
    pairs = {"address": cluster, "replicas": 2, "device": "cpu", "max_body": 100_000, "api_key_env": "GUARD_KEY"}
    with serve(models, port, pairs) as serving:
        assert serving.says() == f"Ready on port {port}: prompts at threshold 0.5000, responses at threshold 0.5000."
        yield serving


@contextmanager
def serve(models: Path, port: int, pairs: dict[str, Any]) -> Iterator[Serving]:
    """Run the command with these settings for the time of a block."""
    pairs = {"cpus": 0.5, "deadline": MINUTE, "drain": 0.1} | pairs
    command = [sys.executable, "-m", "railmatch", "serve", "--ray", "--models", str(models), "--port", str(port)]
    command += [word for name, value in pairs.items() for word in ("--set", f"{name}={value}")]
    environment = os.environ | {"GUARD_KEY": "right"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_read, args=(process, said), daemon=True).start()
        try:
            yield Serving(process, said, f"http://127.0.0.1:{port}", models)
        finally:
            process.kill()


def _read(process: "subprocess.Popen[str]", said: "queue.Queue[str]") -> None:
    for line in process.stdout:
        said.put(line.rstrip())
    said.put("Ready for nothing: the command has ended")  # else a test would wait long for what it cannot say any more


@dataclass
class Load:
    """What came of the requests of several clients: answers by text, and how many had none."""

    answers: list[tuple[str, httpx.Response]] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return len(self.broken) + sum(answer.status_code >= 500 for _, answer in self.answers)

    def found(self) -> Counter[tuple[str, str, str]]:
        """Count the answers by the word in the text, what was found, and the version of the model."""
        found: Counter[tuple[str, str, str]] = Counter()
        for text, answer in self.answers:
            if answer.status_code == 200:
                item = answer.json()["data"][0]
                found[text.split()[-1], item["label"], item["railmatch"]["version"]] += 1
        return found


@contextmanager
def load(serving: Serving) -> Iterator[Load]:
    """Send texts with "weapon" and with "steal" by turns from several clients for the time of a block."""
    numbers, over, load = count(), threading.Event(), Load()

    def work() -> None:
        with httpx.Client() as client:
            while not over.wait(0.02):  # a pause, in which the one core of a small machine can do other things
                number = next(numbers)
                text = f"{number} how do i {'weapon' if number % 2 else 'steal'}"
                try:
                    load.answers.append((text, serving.ask(text, client)))
                except httpx.HTTPError as error:
                    load.broken.append(error)

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(work) for _ in range(CLIENTS)]
        try:
            until(lambda: len(load.answers) > 20)
            yield load
            more = len(load.answers) + 20
            until(lambda: len(load.answers) > more)
        finally:
            over.set()
        for client in clients:
            client.result()


def seen(serving: Serving, names: set[str]) -> set[str]:
    """Add the name of the replica that answers now."""
    names.update(re.findall(r'replica="(\w+)"', httpx.get(f"{serving.url}/metrics", headers=KEY, timeout=MINUTE).text))
    return names


def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + 5 * MINUTE
    while not condition():
        assert monotonic() < end, "five minutes later it is not so"
        sleep(0.01)


def test_replicas_answer_as_one_process_does(serving: Serving) -> None:
    assert httpx.post(f"{serving.url}/classify", json={"input": "bread"}).status_code == 401
    assert httpx.get(f"{serving.url}/readyz").json() == {"status": "ready"}
    assert serving.ask("weapon").json()["data"][0]["label"] == "harmful"
    assert serving.ask("bread").json()["data"][0]["label"] == "unharmful"
    moderated = httpx.post(f"{serving.url}/response/v1/moderations", json={"input": "steal"}, headers=KEY)
    assert moderated.json()["results"][0]["flagged"] is True
    assert serving.ask("a" * 200_000).status_code == 413
    assert httpx.get(f"{serving.url}/nowhere", headers=KEY).json()["error"]["code"] == "not_found"
    series = httpx.get(f"{serving.url}/metrics", headers=KEY).text.splitlines()
    assert all('replica="' in line for line in series if not line.startswith("#"))


def test_a_second_command_is_refused_and_harms_nothing(serving: Serving, cluster: str) -> None:
    from railmatch.rails.cluster.serving import serve_on_ray
    from ray_cluster import replicas

    before = replicas()
    with pytest.raises(SettingsError, match="another railmatch serve --ray serves from this cluster"):
        serve_on_ray(ReplicaSettings(models=str(serving.models), address=cluster))
    assert replicas() == before
    assert serving.ask("weapon").json()["data"][0]["label"] == "harmful"


def test_a_replica_that_is_killed_loses_no_more_than_its_requests(serving: Serving) -> None:
    from ray_cluster import replicas

    before = replicas()
    assert len(before) == 2
    with load(serving) as found:
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(replicas()) - set(before)) == 1)
    names: set[str] = set()
    until(lambda: len(seen(serving, names)) == 2)
    assert found.errors <= CLIENTS  # each waits for one answer at a time
    assert {(word, label) for word, label, _ in found.found()} == {("weapon", "harmful"), ("steal", "unharmful")}
    assert {answer.status_code for _, answer in found.answers} <= {200, 500, 503}


def test_an_update_drops_no_request(serving: Serving) -> None:
    from ray_cluster import replicas

    before, answer = replicas(), serving.ask("weapon").json()
    old = answer["data"][0]["railmatch"]["version"]
    classifier = SafetyClassifier.load(serving.models / "prompt", device="cpu")
    weights = classifier.network.bert.embeddings.word_embeddings.weight
    weapon, steal = classifier.tokenizer.convert_tokens_to_ids(["weapon", "steal"])
    weights.data[[weapon, steal]] = weights.data[[steal, weapon]]  # what was harmful is not, and the other way round
    classifier.save(serving.models / "prompt")
    with load(serving) as found:
        serving.process.send_signal(signal.SIGHUP)
        assert serving.says() == "Updated: prompts at threshold 0.5000, responses at threshold 0.5000."
    assert found.errors == 0
    (new,) = {version for _, _, version in found.found()} - {old}
    assert set(found.found()) == {
        ("weapon", "harmful", old), ("steal", "unharmful", old),
        ("weapon", "unharmful", new), ("steal", "harmful", new),
    }  # fmt: skip
    assert replicas() == before
    assert {serving.ask("weapon").json()["data"][0]["railmatch"]["version"] for _ in range(10)} == {new}


def test_models_that_cannot_be_used_replace_nothing(serving: Serving) -> None:
    (serving.models / "prompt" / "model.safetensors").write_bytes(b"damaged")
    serving.process.send_signal(signal.SIGHUP)
    assert re.match(f"Not updated: {re.escape(str(serving.models))}/prompt", serving.says())
    assert serving.ask("steal").json()["data"][0]["label"] == "harmful"


def test_the_end_loses_no_request(serving: Serving) -> None:
    answers: list[Future[httpx.Response]] = []

    def caught() -> bool:
        if all(answer.done() for answer in answers):  # at first, and where they were answered sooner than looked for
            answers.extend(pool.submit(serving.ask, f"{'bread ' * 4000}{number} steal") for number in range(CLIENTS))
        return _in_flight(serving) > 0

    with ThreadPoolExecutor(CLIENTS) as pool:
        until(caught)
        serving.process.send_signal(signal.SIGTERM)
        assert {answer.result().json()["data"][0]["label"] for answer in answers} == {"harmful"}
    assert serving.process.wait(5 * MINUTE) == 0


def test_replicas_follow_the_load_and_share_a_gpu(serving: Serving, cluster: str, trigger_models: Path) -> None:
    from ray_cluster import free_gpus, replicas

    scaling = {"replicas": 1, "max_replicas": 2, "target_requests": 0.1}
    with serve(trigger_models, free_port(), {"address": cluster, "gpus": 0.25} | scaling) as scaled:
        assert scaled.says().startswith("Ready where the cluster's Ray Serve listens already: prompts")
        assert len(replicas()) == 1
        assert free_gpus() == 0.75
        scaled.url = serving.url
        with load(scaled) as found:
            until(lambda: len(replicas()) == 2)
        until(lambda: free_gpus() == 0.5)
        assert found.errors == 0
        scaled.process.send_signal(signal.SIGTERM)
        assert scaled.process.wait(5 * MINUTE) == 0
    assert not replicas()


def _in_flight(serving: Serving) -> float:
    """Count the requests that a replica answers beside this one."""
    text = httpx.get(f"{serving.url}/metrics", headers=KEY, timeout=MINUTE).text
    return float(re.search(r"railmatch_http_in_flight\{.*\} (.*)", text).group(1)) - 1
