from __future__ import annotations

import pytest

from streamer.hosting.options import ServerOptions
from streamer.protocol.replica_names import placed, replica_of


@pytest.mark.parametrize("replica", ["a", "m7y4nc56", "eu-west_1"])
def test_ids_tell_their_replica(replica: str) -> None:
    assert replica_of(placed(replica, "5f0c")) == replica


@pytest.mark.parametrize("named", ["", "5f0c", ".5f0c", "ü.5f0c", "a b.5f0c", f"{'a' * 25}.5f0c"])
def test_other_ids_tell_none(named: str) -> None:
    assert replica_of(named) is None
    assert placed(None, named) == named


@pytest.mark.parametrize("replica", ["", "a.b", "ü", "a" * 25])
def test_a_server_cannot_be_called_what_ids_cannot_tell(replica: str) -> None:
    with pytest.raises(ValueError, match="`replica` must be"):
        ServerOptions(replica=replica)
