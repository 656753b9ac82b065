"""Make a private authority and a certificate for servers on loopback."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Certificates(NamedTuple):
    """Files in PEM."""

    authority: Path
    """The certificate of the authority."""
    server: Path
    """Key and certificate of a server; by default it is named localhost, 127.0.0.1 and ::1."""

    @property
    def context(self) -> ssl.SSLContext:
        """A context for a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        return context


def make(folder: Path, *hosts: str) -> Certificates:
    """Write new certificates to *folder*; skip the test if `cryptography` is not installed."""
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def signed(name: str, key: Any, issuer: str, issuer_key: Any, *extensions: Any) -> Any:
        def named(text: str) -> Any:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    can_sign = x509.BasicConstraints(ca=True, path_length=None)
    authority = signed("authority", authority_key, "authority", authority_key, can_sign)
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    loopback = [x509.DNSName("localhost"), *addresses]
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts] or loopback)
    certificate = signed("localhost", key, "authority", authority_key, names)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = Certificates(folder / "authority.pem", folder / "server.pem")
    files.authority.write_bytes(authority.public_bytes(pem))
    files.server.write_bytes(key.private_bytes(pem, form, plain) + certificate.public_bytes(pem))
    return files
