"""deploy/compose.yaml, as far as it can be held without docker; its Caddyfile is run by
`tests/docs/test_deployment.py`."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from tests.conftest import ROOT
from tests.deploy.test_container import told

DEPLOY: Final = ROOT / "deploy"
TEXT: Final = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
FILE: Final[dict[str, Any]] = yaml.safe_load(TEXT)
STREAMER: Final[dict[str, Any]] = FILE["services"]["streamer"]
CADDY: Final[dict[str, Any]] = FILE["services"]["caddy"]
SERVICE_KEYS: Final = {
    *("build", "cap_add", "cap_drop", "depends_on", "environment", "image", "networks", "ports"),
    *("read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
}
"""Of those that the Compose Specification has."""


def test_keys_are_those_of_the_specification() -> None:
    assert set(FILE) <= {"name", "services", "networks", "volumes"}
    for service in (STREAMER, CADDY):
        assert set(service) <= SERVICE_KEYS
    assert set(STREAMER["build"]) == {"context", "dockerfile"}


def test_what_it_names_is_there() -> None:
    context = (DEPLOY / STREAMER["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / STREAMER["build"]["dockerfile"]).is_file()
    mounted = [volume.split(":") for volume in CADDY["volumes"]]
    assert ["./Caddyfile", "/etc/caddy/Caddyfile", "ro"] in mounted
    for source, *_ in mounted:
        assert source in FILE["volumes"] or (DEPLOY / source).is_file()
    for service in (STREAMER, CADDY):
        assert set(service["networks"]) <= set(FILE["networks"])


def test_the_server_is_reached_by_caddy_alone() -> None:
    assert "ports" not in STREAMER
    assert STREAMER["networks"] == ["inside"]
    assert FILE["networks"]["inside"] == {"internal": True}
    assert set(CADDY["networks"]) == {"inside", "outside"}
    (port,) = told("EXPOSE")
    assert CADDY["environment"]["CAPTIONS_SERVER"] == f"streamer:{port}"


def test_caddy_waits_for_the_image_s_own_health_check() -> None:
    assert CADDY["depends_on"] == {"streamer": {"condition": "service_healthy"}}
    assert told("HEALTHCHECK")


def test_the_server_has_no_rights() -> None:
    assert STREAMER["read_only"] is True
    assert STREAMER["tmpfs"] == ["/tmp"]
    assert STREAMER["cap_drop"] == ["ALL"]
    assert STREAMER["security_opt"] == ["no-new-privileges:true"]


def test_nothing_starts_without_a_name_and_a_token() -> None:
    assert STREAMER["environment"]["STREAMER_TOKEN"].startswith("${STREAMER_TOKEN:?")
    assert CADDY["environment"]["CAPTIONS_DOMAIN"].startswith("${CAPTIONS_DOMAIN:?")
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    told_first = set(re.findall(r"^#   (\w+)=", TEXT, re.MULTILINE))
    assert asked == told_first


def test_caddy_reads_the_variables_that_it_is_given() -> None:
    read = set(re.findall(r"\{\$(\w+)", (DEPLOY / "Caddyfile").read_text(encoding="utf-8")))
    assert read == set(CADDY["environment"])
