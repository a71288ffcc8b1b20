"""Only one command serves from a cluster; one that was killed is none."""

import os
import signal
import subprocess
import sys
from time import sleep

import pytest
from railmatch.classifier.errors import SettingsError

SECOND = (
    "import sys, time, ray\n"
    "from railmatch.rails.cluster.claim import sole_command\n"
    "ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')\n"
    "with sole_command():\n"
    "    print('claimed', flush=True)\n"
    "    time.sleep(600)\n"
)


def test_a_second_command_is_refused_until_the_first_ends(cluster: str) -> None:
    from railmatch.rails.cluster.claim import sole_command

    with sole_command(), pytest.raises(SettingsError) as caught, sole_command():
        pass
    assert str(caught.value) == (
        "another railmatch serve --ray serves from this cluster: end that one first (SIGTERM), have it load new models "
        "(SIGHUP), or name another cluster with address"
    )
    with sole_command():
        pass


def test_a_command_that_was_killed_claims_nothing(cluster: str) -> None:
    from railmatch.rails.cluster.claim import sole_command

    with subprocess.Popen([sys.executable, "-c", SECOND, cluster], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        with pytest.raises(SettingsError), sole_command():
            pass
        os.kill(process.pid, signal.SIGKILL)
    for _ in range(600):
        try:
            with sole_command():
                return
        except SettingsError:
            sleep(0.1)
    raise AssertionError("a minute later its claim is still there")
