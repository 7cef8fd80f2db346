"""A certificate of this machine's own, for people in its network. Browsers give pages the
microphone over HTTPS alone, and no authority signs for addresses such as 192.168.1.20.

It is kept, so that a browser that was told to trust it once does so for a year.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from streamer.cli.links import lan_address
from streamer.hosting.options import TLS_CERTIFICATE, TLS_KEY

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_VALID: Final = timedelta(days=365)
_RENEWED_BEFORE_END: Final = timedelta(days=30)
_SLOW_CLOCKS: Final = timedelta(days=1)


def names_of_this_machine(host: str, allow_host: Iterable[str]) -> tuple[str, ...]:
    """What browsers may call a server by that listens on `host`."""
    name = socket.gethostname()
    found = {"localhost", "127.0.0.1", "::1", name, f"{name.partition('.')[0]}.local"}
    found.update(other for other in allow_host if other != "*")
    found.update(lan_address(kind) or "" for kind in ("0.0.0.0", "::"))
    if host not in ("0.0.0.0", "::"):
        found.add(host)
    return tuple(sorted(found - {""}))


def certificate(folder: Path, names: tuple[str, ...]) -> str:
    """Make sure that the folder has a certificate for these names and its key.

    The one that is there stays as long as it is for all of them and for another month.

    Returns:
        Its SHA-256, as browsers show it.

    Raises:
        OSError: they cannot be kept there.
    """
    from cryptography.hazmat.primitives import hashes

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        key = _key(folder / TLS_KEY)
        path = folder / TLS_CERTIFICATE
        made = _usable(path, key, names)
        if made is None:
            made = _make(key, names)
            _write(path, _pem(made), mode=0o644)
    return made.fingerprint(hashes.SHA256()).hex(":").upper()


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        kept = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if isinstance(kept, ec.EllipticCurvePrivateKey):
            return kept
    except (FileNotFoundError, ValueError):
        pass
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, pem, mode=0o600)
    return key


def _usable(
    path: Path, key: ec.EllipticCurvePrivateKey, names: tuple[str, ...]
) -> x509.Certificate | None:
    from cryptography import x509

    try:
        kept = x509.load_pem_x509_certificate(path.read_bytes())
        covered = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return None
    fits = (
        kept.public_key() == key.public_key()
        and {str(name.value) for name in covered} >= set(names)
        and kept.not_valid_after_utc > datetime.now(UTC) + _RENEWED_BEFORE_END
    )
    return kept if fits else None


def _make(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...]) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "streamer on this machine")])
    now = datetime.now(UTC)
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLOW_CLOCKS)
        .not_valid_after(now + _VALID)
    )
    for extension, critical in (
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        # For this server alone: who trusts it trusts nothing else that its key might sign.
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(made: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return made.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    new.replace(path)
