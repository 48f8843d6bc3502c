"""Signatures of CAP messages: XML-Signature (W3C), enveloped, RSA or ECDSA with SHA-256.

Our key is read once: reading it anew for each message costs fifty times the signature. ECDSA is
signed deterministically (RFC 6979), as RSA PKCS #1 v1.5 is: the same message gives the same bytes.

A signature counts only if it was made with a certificate that is pinned for the sender it names.
What certificate comes along with the message says nothing: anyone can make one.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree
from msgspec import Struct
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from stream.errors import AlatauError, ConfigurationError

__all__ = [
    "ForgedError",
    "Signer",
    "certificates",
    "is_signed",
    "load_signer",
    "password",
    "pinned",
    "verify",
]

Pins = Mapping[str, Sequence[x509.Certificate]]
"""Certificates by the CAP sender that they are pinned for."""

_DSIG = "{http://www.w3.org/2000/09/xmldsig#}"
_C14N = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_TRANSFORMS = {
    SignatureConstructionMethod.enveloped.value,
    *(method.value for method in CanonicalizationMethod),
}
_SMALLEST_RSA = 2048
_END = b"</alert>"
_DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"
_BEGIN = _DECLARATION + b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">\n'
_NOT_CANONICAL = (
    (b"\r", (b"\r",)),
    (b"&", (b"&#", b"&quot;", b"&apos;")),
    (b"!", (b"<!",)),
    (b"?", (b"<?",)),
    (b"/", (b"/>",)),
    (b"=", (b'="', b"='")),
)
"""What is not canonical, each after a byte that is in it."""
_SAMPLE = _BEGIN + b"  <identifier>a</identifier>\n</alert>"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ForgedError(AlatauError):
    """The signature is not that of the pinned certificate over the whole message."""


class _Deterministic:
    """A key for elliptic curves that signs the same text the same way (RFC 6979)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.key_size = key.key_size

    def sign(self, data: bytes, signature_algorithm: ec.ECDSA) -> bytes:
        algorithm = cast("hashes.HashAlgorithm", signature_algorithm.algorithm)
        return self._key.sign(data, ec.ECDSA(algorithm, deterministic_signing=True))


class Signer:
    """Signs messages with one key.

    Parameters
    ----------
    key
        RSA of 2048 bits or more, or an elliptic curve.
    certificate
        Of that key; it goes along with each message.

    Raises
    ------
    TypeError
        If the key is of another kind.
    ValueError
        If it is too short, or not the certificate's.
    """

    def __init__(
        self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        if isinstance(key, rsa.RSAPrivateKey):
            if key.key_size < _SMALLEST_RSA:
                raise ValueError(f"the key has {key.key_size} bits, not {_SMALLEST_RSA} or more")
            method = SignatureMethod.RSA_SHA256
            self._key: rsa.RSAPrivateKey | _Deterministic = key
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            method = SignatureMethod.ECDSA_SHA256
            self._key = _Deterministic(key)
        else:
            raise TypeError("the key is neither RSA nor of an elliptic curve")
        if certificate.public_key() != key.public_key():
            raise ValueError("the certificate is not that of the key")
        self.certificate = certificate
        signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm=method,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=_C14N,
        )
        signed = signer.sign(
            etree.fromstring(_SAMPLE, _own()),
            key=self._key,  # type: ignore[arg-type]  # it only signs with it
            cert=[certificate],
        )
        self._form = _Form.of(signed)
        if self.sign(_SAMPLE) != etree.tostring(signed, encoding="UTF-8", xml_declaration=True):
            raise RuntimeError("signatures are not written as the library writes them")

    def sign(self, value: bytes) -> bytes:
        """Sign a CAP message of ours.

        What is the same in every signature, with the certificate most of it, is made once by
        signxml, and what we write is canonical as it is: 2.2 ms a message become 0.3 (RSA).

        Parameters
        ----------
        value
            Its XML without a signature.

        Returns
        -------
        bytes
            UTF-8 XML, the signature as the last element of the alert. The same for the same
            message.
        """
        body, end, _ = value.rpartition(_END)
        if not end:
            raise ValueError("this is no alert")
        digest = base64.b64encode(hashlib.sha256(_canonical(value)).digest())
        signed_info = digest.join(self._form.signed_info)
        signature = base64.b64encode(self._signature(signed_info))
        before, between, after = self._form.element
        return b"".join((body, before, digest, between, signature, after, _END))

    def _signature(self, data: bytes) -> bytes:
        """Sign bytes, as XML-Signature has the result (RFC 4051 for elliptic curves: r, then s)."""
        if isinstance(self._key, _Deterministic):
            r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
            length = (self._key.key_size + 7) // 8
            return r.to_bytes(length, "big") + s.to_bytes(length, "big")
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class _Form(Struct, frozen=True):
    """The parts of a signature that are the same for every message.

    Attributes
    ----------
    signed_info
        What is signed, before and after the digest.
    element
        The element, before the digest, between it and the signature, and after that.
    """

    signed_info: tuple[bytes, bytes]
    element: tuple[bytes, bytes, bytes]

    @classmethod
    def of(cls, signed: etree._Element) -> "_Form":
        """Take the parts from a message that has been signed."""
        (info,) = signed.iter(_DSIG + "SignedInfo")
        digest = (signed.findtext(f".//{_DSIG}DigestValue") or "").encode()
        signature = (signed.findtext(f".//{_DSIG}SignatureValue") or "").encode()
        before, after = etree.tostring(info, method="c14n", exclusive=True).split(digest)
        text = etree.tostring(signed, encoding="UTF-8")
        inside = text[text.index(b"<ds:Signature") : text.rindex(_END)]
        first, rest = inside.split(digest)
        between, last = rest.split(signature)
        return cls((before, after), (first, between, last))


def _canonical(value: bytes) -> bytes:
    """Return a message in canonical form (exclusive XML canonicalization, W3C).

    What `dispatch.cap` and `dispatch.hazard_cap` write is so already, but for the declaration:
    no empty elements, no attributes, no comments, no character references, one namespace, and
    escaped is what has to be. What may differ from that is read and written anew.
    """
    text = value[len(_DECLARATION) :].rstrip(b"\n")
    # A single byte is looked for fifty times as fast as two.
    after = text[len(_BEGIN) - len(_DECLARATION) :]
    if value.startswith(_BEGIN) and not any(
        byte in after and any(mark in after for mark in marks) for byte, marks in _NOT_CANONICAL
    ):
        return text
    root = etree.fromstring(value, _own())
    return etree.tostring(root, method="c14n", exclusive=True, with_comments=False)


def _own() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def is_signed(root: etree._Element) -> bool:
    """Whether a message says that it is signed, rightly or not."""
    return root.find(_DSIG + "Signature") is not None


def verify(root: etree._Element, trusted: Sequence[x509.Certificate], at_us: int) -> etree._Element:
    """Check the signature of a message.

    Parameters
    ----------
    root
        From `dispatch.untrusted.read_xml`.
    trusted
        Certificates that are pinned for its sender.
    at_us
        When it came: the certificate must be valid then.

    Returns
    -------
    lxml element
        What was signed: nothing else of the message may be read.

    Raises
    ------
    ForgedError
        Saying what is wrong with it.
    """
    if not trusted:
        raise ForgedError("no certificate is pinned for its sender")
    signatures = list(root.iter(_DSIG + "Signature"))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise ForgedError(f"it has {len(signatures)} signatures, not one below the alert")
    for reference in root.iter(_DSIG + "Reference"):
        if reference.get("URI") != "":
            raise ForgedError("the signature is not over the whole message")
    for transform in root.iter(_DSIG + "Transform"):
        if transform.get("Algorithm") not in _TRANSFORMS:
            raise ForgedError("the signature is over something made of the message")
    moment = _EPOCH + timedelta(microseconds=at_us)
    expected = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=moment,
        ignore_ambiguous_key_info=True,
    )
    value = etree.tostring(root)
    problem = ""
    for certificate in trusted:
        if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
            problem = problem or "the pinned certificate was not valid then"
            continue
        try:
            result = XMLVerifier().verify(
                value, x509_cert=certificate, expect_config=expected, parser=_own()
            )
        except (SignXMLException, WrongSignature, ValueError, etree.LxmlError) as error:
            problem = f"the signature is not right: {str(error) or type(error).__name__}"
            continue
        signed = result.signed_xml if not isinstance(result, list) else None
        if signed is not None and signed.tag == root.tag:
            return signed
        problem = "the signature is over something else"
    raise ForgedError(problem)


def password(path: Path) -> bytes:
    """Read the password of a key.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"the password cannot be read: {error.strerror}",
            remedy="Name a file that holds it, or none if the key has none.",
            file=path,
        ) from error


def load_signer(key_file: Path, certificate_file: Path, password: bytes | None = None) -> Signer:
    """Read the key and the certificate (PEM) that messages are signed with.

    Raises
    ------
    ConfigurationError
        If they cannot be used.
    """
    remedy = "Give a private key (PEM) of RSA, 2048 bits or more, or of an elliptic curve."
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"the key cannot be read: {error}", remedy=remedy, file=key_file
        ) from error
    (certificate, *_) = certificates(certificate_file)
    try:
        return Signer(cast("rsa.RSAPrivateKey", key), certificate)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(str(error), remedy=remedy, file=key_file) from error


def certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a file (PEM).

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"there is no certificate to be read: {error}",
            remedy="Name a file that holds a certificate (PEM).",
            file=path,
        ) from error


def pinned(files: Mapping[str, Sequence[Path]]) -> dict[str, list[x509.Certificate]]:
    """Read the certificates that are pinned for each sender.

    Raises
    ------
    ConfigurationError
        If one cannot be read.
    """
    return {
        sender: [each for path in paths for each in certificates(path)]
        for sender, paths in files.items()
    }
