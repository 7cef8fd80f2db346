"""The files for Ray Serve say what Ray and we understand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from streamer.cluster.options import ClusterOptions
from tests.conftest import ROOT


def served(name: str) -> dict[str, Any]:
    text: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / name).read_text())
    if name == "rayservice.yaml":
        config: dict[str, Any] = yaml.safe_load(text["spec"]["serveConfigV2"])
        return config
    return text


@pytest.mark.parametrize("name", ["serve.yaml", "rayservice.yaml"])
def test_they_deploy_a_cluster(name: str) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="Ray is not installed")
    config = schema.ServeDeploySchema.model_validate(served(name))
    (application,) = config.applications
    module, _, builder = application.import_path.partition(":")
    from streamer.cluster import replica

    assert (module, builder) == (replica.__name__, replica.build.__name__)
    assert application.name == replica.APPLICATION
    options = ClusterOptions.model_validate(application.args)
    assert options.min_replicas == 2
    assert options.server.host == config.http_options.host
