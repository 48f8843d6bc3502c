"""Signatures of CAP messages: XML-Signature (W3C), enveloped, RSA or ECDSA with SHA-256.

Our key is read once: reading it anew for each message costs fifty times the signature. ECDSA is
signed deterministically (RFC 6979), as RSA PKCS #1 v1.5 is: the same message gives the same bytes.

A signature counts only if it was made with a certificate that is pinned for the sender it names.
What certificate comes along with the message says nothing: anyone can make one.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
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
            self._key: object = key
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            method = SignatureMethod.ECDSA_SHA256
            self._key = _Deterministic(key)
        else:
            raise TypeError("the key is neither RSA nor of an elliptic curve")
        if certificate.public_key() != key.public_key():
            raise ValueError("the certificate is not that of the key")
        self.certificate = certificate
        self._signer = XMLSigner(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm=method,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=_C14N,
        )

    def sign(self, value: bytes) -> bytes:
        """Sign a CAP message of ours.

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
        signed = self._signer.sign(
            etree.fromstring(value, _own()),
            key=self._key,  # type: ignore[arg-type]  # it only signs with it
            cert=[self.certificate],
        )
        return etree.tostring(signed, encoding="UTF-8", xml_declaration=True)


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
