"""Keys: who is who, and who may ask."""

import pytest
from railmatch.rails.service.keys import Keys


@pytest.mark.parametrize("sent", [b"Bearer right", b"bearer  right", b"Bearer other"])
def test_a_known_key_is_a_client_of_its_own(sent: bytes) -> None:
    client, allowed = Keys(["right", "other"]).client(sent, "10.0.0.1")
    assert allowed
    assert client != b"10.0.0.1"
    assert (client == Keys(["right"]).client(b"Bearer right", "10.0.0.2")[0]) == (b"right" in sent)


@pytest.mark.parametrize("sent", [b"", b"right", b"Bearer", b"Bearer wrong", b"Bearer righ", b"Basic right"])
def test_without_it_nobody_may_ask_and_the_address_is_the_client(sent: bytes) -> None:
    assert Keys(["right"]).client(sent, "10.0.0.1") == (b"10.0.0.1", False)


def test_where_no_key_is_asked_for_everybody_may() -> None:
    assert Keys([]).client(b"Bearer anything", "10.0.0.1") == (b"10.0.0.1", True)
