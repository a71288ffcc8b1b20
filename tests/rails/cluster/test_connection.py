"""Connecting to a cluster: nobody waits for minutes where there is none."""

import socket

import pytest
from railmatch.classifier.errors import SettingsError

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
