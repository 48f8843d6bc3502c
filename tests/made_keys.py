"""Keys and certificates for tests, made once."""

import functools
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


def key(kind, number=0):
    """A private key; another one for another number."""
    return _key(kind, number)


@functools.cache
def _key(kind, number):
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())


def certificate(kind, number=0, begin=BEGIN, end=END):
    """Of that key, signed by itself."""
    return _certificate(kind, number, begin, end)


@functools.cache
def _certificate(kind, number, begin, end):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{kind} {number}")])
    mine = key(kind, number)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(mine.public_key())
        .serial_number(1 + number)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(mine, hashes.SHA256())
    )


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def certificate_pem(made):
    return made.public_bytes(serialization.Encoding.PEM)
