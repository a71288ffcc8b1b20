"""Connecting to a cluster: nobody waits for minutes where there is none; and what each process gets of one."""

import socket

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.rails.cluster.settings import ClusterSettings

pytest.importorskip("ray", reason="needs the extra railmatch[ray]")


def test_an_address_where_nobody_listens_is_refused() -> None:
    from railmatch.rails.cluster.connection import _connect  # a Ray of other tests may be connected already

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(SettingsError) as caught:
        _connect(address)
    assert str(caught.value) == (
        f"address is {address!r}: no Ray cluster can be reached there; start one (ray start --head), or leave address "
        "out to use this machine alone"
    )


def test_a_process_gets_what_is_set_else_a_gpu_where_there_is_one(cluster: str) -> None:
    from railmatch.rails.cluster.connection import gpu_share

    given = [{"gpus": 0.25}, {}, {"device": "cuda"}, {"device": "cpu"}, {"gpus": 0.0}]
    assert [gpu_share(ClusterSettings(**settings)) for settings in given] == [0.25, 1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("asked", "warning"),
    [
        ({"cpus": 2, "gpus": 1.0}, ""),
        ({"cpus": 3, "gpus": 0.5}, "no machine of the cluster has cpus=3 and gpus=0.5: waiting for one"),
        ({"cpus": 1, "gpus": 2.0}, "no machine of the cluster has cpus=1 and gpus=2: waiting for one"),
    ],
)
def test_what_no_machine_has_is_said(
    cluster: str, caplog: pytest.LogCaptureFixture, asked: dict[str, float], warning: str
) -> None:
    from railmatch.rails.cluster.connection import gpu_share

    gpu_share(ClusterSettings(**asked))
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [warning] * bool(warning)
