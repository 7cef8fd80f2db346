"""What can be set about a cluster."""

from __future__ import annotations

import pytest

from streamer.cluster.options import ClusterOptions


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="n_replicas"):
        ClusterOptions.model_validate({"n_replicas": 2})


def test_what_is_one_servers_own_is_refused() -> None:
    with pytest.raises(ValueError, match="`wyoming_port` is not to be had in a cluster"):
        ClusterOptions.model_validate({"server": {"wyoming_port": 10300}})


def test_a_direct_url_is_of_one_replica() -> None:
    plain = ClusterOptions()
    assert plain.direct_url_of("10.0.0.7", "node-7", 8801) == "ws://10.0.0.7:8801/v1/stream"
    named = ClusterOptions(direct_url="wss://{hostname}.captions.example/{port}/v1/stream")
    told = named.direct_url_of("10.0.0.7", "node-7", 8801)
    assert told == "wss://node-7.captions.example/8801/v1/stream"
    assert ClusterOptions(direct_url=None).direct_url_of("10.0.0.7", "node-7", 8801) is None
    with pytest.raises(ValueError, match="`direct_url` must begin with"):
        ClusterOptions(direct_url="http://{address}")


def test_the_most_replicas_are_not_fewer_than_the_least() -> None:
    with pytest.raises(ValueError, match="`max_replicas` must not be below"):
        ClusterOptions(min_replicas=3, max_replicas=2)
