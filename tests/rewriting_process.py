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
