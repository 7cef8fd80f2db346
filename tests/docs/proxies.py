"""The proxies of docs/deployment.md, with its files and ours, in front of a server."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.docs.blocks import ROOT, Block, blocks

START_TIMEOUT_S: Final = 20.0
PUBLIC_NAME: Final = "captions.example"
CADDYFILE: Final = ROOT / "deploy" / "Caddyfile"
_UNPACKED: Final = Path(sys.prefix) / "proxies"
"""Where `make proxies` puts them."""


SEVERAL: Final = "http://$machine"
"""In place of one server."""


@dataclass(frozen=True)
class Certificate:
    """Of `localhost` and of the documents' name, signed by itself."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Proxy:
    port: int
    tls: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


def program(name: str) -> str:
    """Path of nginx or caddy; skips the test where there is none."""
    for folder in ("usr/sbin", "usr/bin"):
        if (_UNPACKED / folder / name).is_file():
            return str(_UNPACKED / folder / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here; `make proxies` unpacks it")
    return found


def new_certificate(folder: Path) -> Certificate:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    names = f"subjectAltName=DNS:localhost,DNS:{PUBLIC_NAME}"
    subject = ["-subj", "/CN=localhost", "-addext", names]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    command = [openssl, "req", "-x509", "-days", "2", *key, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return made


def block(language: str, number: int = 0) -> Block:
    """Of docs/deployment.md."""
    return [b for b in blocks(language) if b.document == "deployment.md"][number]


def nginx_command(folder: Path, server: str, certificate: Certificate, port: int) -> list[str]:
    """nginx with the document's file, and with nothing that needs a right or a fixed place."""
    site = _replaced(
        block("nginx").text,
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/captions.pem": str(certificate.certificate),
            "/etc/ssl/captions.key": str(certificate.key),
            "http://127.0.0.1:8765": server,
        },
    )
    if server == SEVERAL:
        site += block("nginx", 1).text
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{site}\n}}\n"
    )
    return [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy_command(folder: Path, server: str, certificate: Certificate, port: int) -> list[str]:
    """caddy with our file, or the document's for several machines, on a free port, with a
    certificate of ours."""
    tls = f"\ttls {certificate.certificate} {certificate.key}\n"
    sites = f"https://localhost:{port}, https://{PUBLIC_NAME}:{port}"
    if server == SEVERAL:
        site = _replaced(block("caddyfile").text, {f"{PUBLIC_NAME} {{\n": f"{sites} {{\n{tls}"})
    else:
        names = {
            f"{{$CAPTIONS_DOMAIN:{PUBLIC_NAME}}} {{\n": f"{sites} {{\n{tls}",
            "{$CAPTIONS_SERVER:127.0.0.1:8765}": server.removeprefix("http://"),
        }
        site = _replaced(CADDYFILE.read_text(encoding="utf-8"), names)
    (folder / "Caddyfile").write_text(
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}"
    )
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile")]


@contextmanager
def running(
    command: list[str], folder: Path, certificate: Certificate, port: int
) -> Iterator[Proxy]:
    """The proxy, once it answers."""
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=said, stdout=said)
        proxy = Proxy(port, ssl.create_default_context(cafile=str(certificate.certificate)))
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not _answers(proxy):
                said.seek(0)
                assert process.poll() is None, said.read()
                assert time.monotonic() < deadline, said.read()
                time.sleep(0.05)
            yield proxy
        finally:
            process.kill()  # asked to end, it would wait for connections that nobody uses
            process.wait(START_TIMEOUT_S)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _answers(proxy: Proxy) -> bool:
    try:
        with urlopen(f"{proxy.url}/healthz", timeout=START_TIMEOUT_S, context=proxy.tls) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def _replaced(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, f"{before!r} is not there"
        text = text.replace(before, after)
    return text
