"""A certificate of one's own: for whom it is, how long it stays, and who may read its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from streamer.cli import certificate as certificates
from streamer.cli.certificate import certificate, names_of_this_machine
from streamer.hosting.options import TLS_CERTIFICATE, TLS_KEY

NAMES = ("127.0.0.1", "localhost", "phone.local")


def alternatives(folder: Path) -> set[str]:
    made = x509.load_pem_x509_certificate((folder / TLS_CERTIFICATE).read_bytes())
    found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def test_it_is_for_the_names_and_its_key_is_for_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tls"
    certificate(folder, NAMES)
    assert alternatives(folder) == set(NAMES)
    assert (folder / TLS_KEY).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o077 == 0


def test_it_stays_while_it_serves(tmp_path: Path) -> None:
    first = certificate(tmp_path, NAMES)
    assert certificate(tmp_path, NAMES[:2]) == first
    assert certificate(tmp_path, (*NAMES, "192.0.2.7")) != first
    assert "192.0.2.7" in alternatives(tmp_path)


@pytest.mark.parametrize(("days", "renewed"), [(300, False), (340, True)])
def test_it_is_renewed_in_its_last_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, renewed: bool
) -> None:
    first = certificate(tmp_path, NAMES)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(certificates, "datetime", Later)
    assert (certificate(tmp_path, NAMES) != first) is renewed


@pytest.mark.parametrize("damaged", [TLS_CERTIFICATE, TLS_KEY])
def test_what_is_damaged_is_made_again(tmp_path: Path, damaged: str) -> None:
    first = certificate(tmp_path, NAMES)
    (tmp_path / damaged).write_text("nothing of the kind")
    second = certificate(tmp_path, NAMES)
    assert second != first
    assert certificate(tmp_path, NAMES) == second


def test_a_machine_goes_by_its_names() -> None:
    names = names_of_this_machine("192.0.2.9", ("captions.example", "*"))
    assert {"localhost", "127.0.0.1", "::1", "192.0.2.9", "captions.example"} <= set(names)
    assert "*" not in names
    assert "0.0.0.0" not in names_of_this_machine("0.0.0.0", ())
