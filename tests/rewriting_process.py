"""What each process does in the tests of processes that share a cache or are killed; it imports no PyTorch."""

import os
from multiprocessing.synchronize import Barrier

from endpoint import MODEL
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.augment import collect_rewrites
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.recipe import AugmentSettings, EndpointSettings

STRATEGIES = ["paraphrase", "restyle"]
TEXTS = 60
AT_ONCE = 4


def collect(base_url: str, path: str, key: str = "any", together: Barrier | None = None) -> None:
    """Collect the rewrites of all texts, beginning ``together`` with others."""
    os.environ["TEST_KEY"] = key
    endpoint = EndpointSettings(base_url=base_url, model=MODEL, api_key_env="TEST_KEY", max_concurrency=AT_ONCE)
    records = [Record(f"id{number}", Exchange(f"Request number {number}")) for number in range(TEXTS)]
    if together:
        together.wait()
    collect_rewrites(records, "prompt", AugmentSettings(strategy=STRATEGIES, endpoint=endpoint, cache=path))


def collect_in_batches(base_url: str, path: str, texts: int, requests: int) -> None:
    """Collect the rewrites of so many texts, so many in a batch."""
    os.environ["TEST_KEY"] = "any"
    batch = {"trial": 0, "poll_s": 0.01, "requests": requests}
    endpoint = {"base_url": base_url, "model": MODEL, "api_key_env": "TEST_KEY", "batch": batch}
    records = [Record(f"id{number}", Exchange(f"Request number {number}")) for number in range(texts)]
    collect_rewrites(records, "prompt", AugmentSettings(strategy=["paraphrase"], endpoint=endpoint, cache=path))
