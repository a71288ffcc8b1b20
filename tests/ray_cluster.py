"""A Ray on 127.0.0.1 with two places for processes, for all tests that need one; every process of it ends with them.

It is told that it has a GPU, whose shares it hands out as if it were there.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the name is of old: 0 makes Ray listen on 127.0.0.1 alone
    "RAY_AUTH_MODE": "disabled",  # else Ray writes a token into the home folder
    "RAY_worker_niceness": "0",  # else the workers get almost nothing of a busy machine
    "RAY_agent_register_timeout_ms": "120000",  # on a busy machine its agents take long to start
    "OMP_NUM_THREADS": "1",
}


@contextmanager
def running_ray() -> Iterator[str]:
    """Run a Ray for the time of a block, and give its address."""
    before = dict(os.environ)
    os.environ.update(SETTINGS)
    import psutil
    import ray

    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # the paths of its sockets must be short
    try:
        ray.init(
            "local",
            num_cpus=2,
            num_gpus=1,
            include_dashboard=False,
            object_store_memory=80 * 2**20,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=folder,
        )
        processes = psutil.Process().children(recursive=True)
        yield ray.get_runtime_context().gcs_address
        processes += psutil.Process().children(recursive=True)
        ray.shutdown()
        _, alive = psutil.wait_procs(set(processes), timeout=30)
        for process in alive:
            if process.is_running() and _is_of_ray(process):
                process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)


def _is_of_ray(process: object) -> bool:
    return any("ray" in part for part in process.cmdline()[:2])


def replicas() -> list[int]:
    """The process ids of the replicas that serve."""
    return _actors("ServeReplica")


def workers() -> list[int]:
    """The process ids of the workers that judge a data set."""
    return _actors("Judge")


def _actors(word: str) -> list[int]:
    import psutil

    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            name = process.cmdline()
        except psutil.Error:
            continue
        if name and name[0].startswith("ray::") and word in name[0]:
            found.append(process.pid)
    return sorted(found)


def free_gpus() -> float:
    """What is left of the GPU."""
    import ray

    return ray.available_resources().get("GPU", 0.0)
