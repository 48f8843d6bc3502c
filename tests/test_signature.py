"""Signatures: ours are the same for the same message, and only pinned certificates count."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cap_rules import schema
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from lxml import etree
from made_keys import certificate, certificate_pem, key, pem
from signxml.algorithms import SignatureConstructionMethod
from signxml.signer import SignatureReference, XMLSigner

from dispatch import signature
from dispatch.signature import ForgedError, Signer
from dispatch.untrusted import UnsafeXmlError, read_xml
from stream.errors import ConfigurationError

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
GOOD = (Path(__file__).parent / "contracts" / "cap-alert.xml").read_bytes()
NOW_US = 1_705_946_959_000_000
KINDS = ["rsa", "ec"]


def signed(kind="ec", number=0, value=GOOD):
    return Signer(key(kind, number), certificate(kind, number)).sign(value)


def checked(value, *trusted, at_us=NOW_US):
    return signature.verify(read_xml(value), trusted or [certificate("ec")], at_us)


@pytest.mark.parametrize("kind", KINDS)
def test_signed_with_a_key_and_checked_with_its_certificate(kind):
    value = signed(kind)
    root = etree.fromstring(value)
    assert schema().validate(root)
    assert etree.QName(root[-1]).localname == "Signature"
    read = checked(value, certificate(kind))
    assert read.findtext(CAP + "identifier") == etree.fromstring(GOOD).findtext(CAP + "identifier")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_message_gives_the_same_bytes(kind):
    assert signed(kind) == signed(kind)


def by_the_library(value, kind):
    """What signxml makes of a message with our key."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=f"{'rsa' if kind == 'rsa' else 'ecdsa'}-sha256",
        digest_algorithm="sha256",
        c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#",
    )
    made = signer.sign(
        etree.fromstring(value), key=signature._Deterministic(key(kind)) if kind == "ec"
        else key(kind), cert=[certificate(kind)],
    )  # fmt: skip
    return etree.tostring(made, encoding="UTF-8", xml_declaration=True)


GOLDENS = sorted(
    [*(Path(__file__).parent / "golden").rglob("*.xml"),
     *(Path(__file__).parent / "contracts").glob("cap-*.xml")]
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_quick_way_signs_as_the_library_does(kind):
    assert len(GOLDENS) >= 11
    for file in GOLDENS:
        value = file.read_bytes()
        assert signed(kind, value=value) == by_the_library(value, kind)


@pytest.mark.parametrize("file", GOLDENS, ids=lambda file: file.name)
def test_what_we_write_is_canonical(file):
    value = file.read_bytes()
    canonical = etree.tostring(etree.fromstring(value), method="c14n", exclusive=True)
    assert value.partition(b"\n")[2].rstrip(b"\n") == canonical


@pytest.mark.parametrize(
    "changed",
    [
        GOOD.replace(b"<web>", b"<web><!-- x -->"),
        GOOD.replace(b"<web>", b"<web>&#13;&quot;"),
        GOOD.replace(b"<web>", b"<web><![CDATA[<]]>"),
        GOOD.replace(b"<web>", b"<web>\r\n"),
        GOOD.replace(b"<source>Alatau</source>", b"<source/>"),
        GOOD.replace(b"<info>", b'<info xmlns:x="urn:y">', 1),
        GOOD.replace(b"<?xml version='1.0' encoding='UTF-8'?>\n", b""),
    ],
)
def test_what_is_not_canonical_is_made_so(changed):
    assert changed != GOOD
    for kind in KINDS:
        assert checked(signed(kind, value=changed), certificate(kind)) is not None


def test_what_is_no_alert_is_not_signed():
    with pytest.raises(ValueError, match="no alert"):
        signed(value=b"<html/>")


def test_another_program_checks_ours():
    """signxml as it comes, with our certificate as its only authority."""
    from signxml.verifier import XMLVerifier

    for kind in KINDS:
        XMLVerifier().verify(signed(kind), x509_cert=certificate(kind))


def test_one_of_several_pinned_certificates_is_enough():
    assert (
        checked(signed(), certificate("rsa"), certificate("ec", 1), certificate("ec")) is not None
    )


def changed(value, tag, text):
    root = etree.fromstring(value)
    root.find(f".//{CAP}{tag}").text = text
    return etree.tostring(root)


def by_hand(method="ec", reference="", *, location=None, algorithm="ecdsa-sha256"):
    root = etree.fromstring(GOOD)
    if reference:
        root.set("Id", "whole")
        root.find(CAP + "info").set("Id", "part")
    if location is not None:
        root.find(CAP + location).append(
            etree.Element("{http://www.w3.org/2000/09/xmldsig#}Signature", Id="placeholder")
        )
    signer = XMLSigner(method=SignatureConstructionMethod.enveloped, signature_algorithm=algorithm)
    uris = [SignatureReference(URI=reference)] if reference else None
    made = signer.sign(root, key=key(method), cert=[certificate(method)], reference_uri=uris)
    return etree.tostring(made)


def two_signatures():
    root = etree.fromstring(signed())
    root.append(etree.fromstring(signed("ec", 1))[-1])
    return etree.tostring(root)


def in_a_wrapper():
    """The signed alert inside another one that says something else."""
    outer = etree.fromstring(changed(GOOD, "headline", "Run"))
    inner = etree.fromstring(signed())
    outer.append(inner[-1])
    outer.find(CAP + "info").append(inner)
    return etree.tostring(outer)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(changed(signed(), "headline", "Nothing"), "not right", id="changed"),
        pytest.param(changed(signed("rsa"), "headline", "Nothing"), "not right", id="other kind"),
        pytest.param(signed("ec", 7), "not right", id="a throwaway key"),
        pytest.param(GOOD, "0 signatures", id="not signed"),
        pytest.param(by_hand(reference="#part"), "whole", id="a part"),
        pytest.param(by_hand(reference="#whole"), "whole", id="by a name that others may have"),
        pytest.param(by_hand(location="info"), "not one below the alert", id="deep down"),
        pytest.param(two_signatures(), "2 signatures", id="two"),
        pytest.param(in_a_wrapper(), "not right", id="wrapped"),
        pytest.param(by_hand(algorithm="ecdsa-sha3-256"), "not right", id="other algorithm"),
    ],
)
def test_a_forged_message_is_refused(value, says):
    with pytest.raises(ForgedError, match=says):
        checked(value)


def test_signed_by_hand_but_rightly():
    assert checked(by_hand()) is not None


def test_without_a_pin_nothing_is_right():
    with pytest.raises(ForgedError, match="pinned"):
        signature.verify(read_xml(signed()), [], NOW_US)


def test_the_certificate_is_valid_when_the_message_comes():
    late = 1_900_000_000_000_000
    with pytest.raises(ForgedError, match="not valid then"):
        checked(signed(), at_us=late)
    new = certificate("ec", 0, datetime(2029, 1, 1, tzinfo=UTC), datetime(2039, 1, 1, tzinfo=UTC))
    assert checked(signed(), certificate("ec"), new, at_us=late) is not None


def test_only_what_was_signed_is_read():
    read = checked(signed())
    assert read.find("{http://www.w3.org/2000/09/xmldsig#}Signature") is None


@pytest.mark.parametrize("kind", KINDS)
def test_keys_from_files(tmp_path, kind):
    (tmp_path / "key.pem").write_bytes(pem(key(kind)))
    (tmp_path / "cert.pem").write_bytes(certificate_pem(certificate(kind)))
    signer = signature.load_signer(tmp_path / "key.pem", tmp_path / "cert.pem")
    assert signer.sign(GOOD) == signed(kind)
    pins = signature.pinned({"a@b.kz": [tmp_path / "cert.pem"]})
    assert pins == {"a@b.kz": [certificate(kind)]}


def test_keys_that_cannot_be_used_are_named(tmp_path):
    own, other = tmp_path / "cert.pem", tmp_path / "other.pem"
    own.write_bytes(certificate_pem(certificate("rsa")))
    other.write_bytes(certificate_pem(certificate("rsa", 1)))
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    cases = {
        "nothing": (b"rubbish", own, "cannot be read"),
        "other": (pem(key("rsa")), other, "not that of the key"),
        "short": (pem(weak), own, "1024 bits"),
        "kind": (pem(dsa.generate_private_key(1024)), own, "neither RSA"),  # noqa: S505
        "none": (pem(key("rsa")), tmp_path / "absent.pem", "no certificate"),
    }
    for name, (content, cert, says) in cases.items():
        path = tmp_path / f"{name}.key"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=says) as caught:
            signature.load_signer(path, cert)
        assert caught.value.file in (path, cert)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        signature.load_signer(tmp_path / "absent.key", own)


LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10 if i else b"lol") for i in range(10)
)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"<!DOCTYPE a [" + LAUGHS + b"]><a>&l9;</a>", "entities or a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "entities or a document type"),
        (b"<!DOCTYPE a><a/>", "entities or a document type"),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), "not XML"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>', "not XML"),
        (b'<?xml version="1.0" encoding="IBM037"?><a/>', "not XML"),
        (b"<a>&undefined;</a>", "not XML"),
        (b"<a>" + b"x" * 1_000_000 + b"</a>", "too large"),
        (b"<a>" * 300 + b"</a>" * 300, "not XML"),
        (b"", "not XML"),
        (b"<a><b></a>", "not XML"),
    ],
)
def test_xml_that_is_not_read(value, reason):
    with pytest.raises(UnsafeXmlError) as caught:
        read_xml(value)
    assert caught.value.reason == reason


def test_a_comment_does_not_cut_a_text_short():
    assert read_xml(b"<a>Stay in<!-- x -->side<?x y?>!</a>").text == "Stay inside!"


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251", "koi8-r"])
def test_encodings_of_the_region_are_read(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>Алматы</a>'
    assert read_xml(text.encode(encoding)).text == "Алматы"
