"""A list is believed only if the pinned signer signed exactly this; its rows are read leniently."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.networks.mail.trust import dn, trustlist
from bridge.networks.mail.trust.trustlist import BadList, ListSigner, TrustList, difference
from deploy.world.trust import DSIG, ISSUER_CN, NAMESPACE, SIGNER_CN, Row, document, sign, signed_list
from tests.mail.trust.make import ANNA, BEN, EVE, PIN, ROWS, at, authority, foreign, signer


def verify(data: bytes, **changes: object) -> TrustList:
    when = changes.get("when")
    assert when is None or isinstance(when, datetime)
    return trustlist.verify(data, authority().bundle, PIN, when)


def refusal(data: bytes) -> str:
    with pytest.raises(BadList) as bad:
        verify(data)
    return bad.value.code


def good() -> bytes:
    return signed_list(ROWS, signer())


def test_a_signed_list_is_read() -> None:
    made = at(hours=1)
    found = verify(signed_list(ROWS, signer(), made))
    assert (found.generated, found.rows, found.skipped) == (made, 3, 0)
    assert found.allows("anna.sante.example", dn.parse(ANNA))
    assert found.allows("anna.sante.example", dn.parse(BEN))
    assert not found.allows("ben.sante.example", dn.parse(ANNA))
    assert found.domains_of(dn.parse(BEN)) == {"anna.sante.example", "ben.sante.example"}
    assert found.domains_of(dn.parse(EVE)) == frozenset()
    assert found.signer == signer().certificate


def test_the_form_of_the_signature_is_the_published_one() -> None:
    data = good()
    assert b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>' in data
    assert b"&#13;\n" in data
    assert data.count(b"<X509Certificate>") == 1


def test_exact_domains_only() -> None:
    found = verify(good())
    assert found.knows("anna.sante.example")
    for other in ("sante.example", "x.anna.sante.example", "*.sante.example", "anna.sante.example.", ""):
        assert not found.knows(other)


def test_odd_rows_are_understood_or_left_out() -> None:
    rows = [
        Row(" Anna.SANTE.example ", 'CN=smtp.anna.example, OU=1,O="A  B" ,C=FR'),
        Row("anna.sante.example", "CN=smtp.anna.example,OU=1,O=A\u00a0B,C=FR"),
        Row("anna.sante.example", "CN=smtp.anna.example,OU=1,O=A\u00a0B,C=FR"),
        Row("hôpital.sante.example", ANNA.replace("ST=", "L=")),
        Row("no domain", ANNA),
        Row("", ANNA),
        Row("eve.sante.example", "no name at all"),
        Row("eve.sante.example", "CN=a+OU=b,C=FR"),
    ]
    found = verify(signed_list(rows, signer()))
    assert set(found.domains) == {"anna.sante.example", "xn--hpital-ixa.sante.example"}
    assert (found.rows, found.skipped, found.usable) == (8, 4, 4)
    assert len(found.domains["anna.sante.example"]) == 1
    assert found.allows("xn--hpital-ixa.sante.example", dn.parse(ANNA.replace("ST=", "L=")))


def test_neither_repr_nor_log_tells_who_to_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert "example" not in repr(verify(good()))
    assert "contact@" not in caplog.text


def test_one_changed_byte() -> None:
    assert refusal(good().replace(b"ben.sante.example", b"eve.sante.example")) == "changed"
    assert refusal(good().replace(b"contact@", b"kontact@", 1)) == "changed"


def test_one_changed_byte_in_the_signature() -> None:
    data = good()
    where = data.index(b"<SignatureValue>") + 30
    other = b"A" if data[where : where + 1] != b"A" else b"B"
    assert refusal(data[:where] + other + data[where + 1 :]) == "bad_signature"


def test_comments_and_layout_outside_the_rows_change_nothing() -> None:
    assert verify(b"\xef\xbb\xbf" + good()).rows == 3
    assert verify(good().replace(b"<Nom>", b"<Nom><!-- x -->")).knows("anna.sante.example")


def test_no_signature() -> None:
    assert refusal(etree.tostring(document(ROWS), xml_declaration=True, encoding="UTF-8")) == "unsigned"


def test_two_signatures() -> None:
    data = good()
    signature = data[data.index(b"<Signature ") : data.index(b"</Signature>") + 12]
    assert (
        refusal(data.replace(b"</ListeBlancheMSSante>", signature + b"</ListeBlancheMSSante>")) == "several_signatures"
    )


def test_a_moved_signature() -> None:
    data = good()
    signature = data[data.index(b"<Signature ") : data.index(b"</Signature>") + 12]
    moved = data.replace(signature, b"").replace(b"</ListeDomaines>", signature + b"</ListeDomaines>")
    assert refusal(moved) == "signature_moved"


def test_a_wrapped_list() -> None:
    """The honest list goes into the evil one, with its signature inside or lifted to the top."""
    honest = good().split(b"?>", 1)[1].lstrip()
    evil = etree.tostring(document([Row("ben.sante.example", EVE)]))
    assert refusal(evil.replace(b"</ListeBlancheMSSante>", honest + b"</ListeBlancheMSSante>")) == "signature_moved"
    signature = honest[honest.index(b"<Signature ") : honest.index(b"</Signature>") + 12]
    lifted = honest.replace(signature, b"") + signature + b"</ListeBlancheMSSante>"
    assert refusal(evil.replace(b"</ListeBlancheMSSante>", lifted)) == "changed"


def test_a_signature_over_a_part_only() -> None:
    """A real signature of the real signer, but not over the whole document."""
    from signxml.algorithms import CanonicalizationMethod
    from signxml.signer import XMLSigner

    root = document(ROWS)
    root[1].set("Id", "rows")
    maker = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    part = maker.sign(root, key=signer().key, cert=[signer().certificate], reference_uri="#rows")
    assert refusal(etree.tostring(part)) == "bad_signature"


def test_another_canonical_form_is_refused() -> None:
    from signxml.algorithms import CanonicalizationMethod
    from signxml.signer import XMLSigner

    maker = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS)
    odd = maker.sign(document(ROWS), key=signer().key, cert=[signer().certificate])
    assert refusal(etree.tostring(odd)) == "bad_signature"


def test_a_signer_of_another_authority_with_the_same_names() -> None:
    assert refusal(signed_list(ROWS, foreign().signer())) == "signer_untrusted"


def test_the_public_web_authorities_vouch_for_nothing() -> None:
    """An empty bundle is an error, never a reason to ask somebody else's authorities."""
    for bundle in (b"", b"garbage"):
        with pytest.raises(BadList) as bad:
            trustlist.verify(good(), bundle, PIN)
        assert bad.value.code == "no_authority"


def test_an_operator_of_the_right_authority_is_no_signer() -> None:
    operator = authority().issue(ANNA)
    assert refusal(signed_list(ROWS, operator)) == "other_signer"


def test_the_issuer_is_pinned_too() -> None:
    with pytest.raises(BadList) as bad:
        trustlist.verify(good(), authority().bundle, ListSigner(SIGNER_CN, "AC AUTRE"))
    assert bad.value.code == "other_signer"
    assert trustlist.verify(good(), authority().bundle, ListSigner(SIGNER_CN, ISSUER_CN)).rows == 3


def test_a_renewed_signer_is_the_same_signer() -> None:
    assert verify(signed_list(ROWS, authority().signer())).rows == 3


def test_an_expired_signer_unless_asked_for_the_time_when_it_was_valid() -> None:
    data = signed_list(ROWS, authority().signer(valid=(timedelta(days=-30), timedelta(days=-1))), at(days=2))
    assert refusal(data) == "signer_expired"
    assert verify(data, when=at(days=2)).rows == 3
    early = signed_list(ROWS, authority().signer(valid=(timedelta(days=1), timedelta(days=9))))
    assert refusal(early) == "signer_not_yet_valid"


def test_a_domain_with_the_roots_dot_is_the_same_domain() -> None:
    found = verify(signed_list([Row("Anna.sante.example.", ANNA)], authority().signer()))
    assert found.skipped == 0
    assert found.allows("anna.sante.example", dn.parse(ANNA))


def test_a_weak_signature_method() -> None:
    data = good().replace(b"xmldsig-more#rsa-sha256", b"xmldsig-more#rsa-md5")
    assert refusal(data) == "bad_signature"
    assert refusal(good().replace(b"2001/04/xmldsig-more#rsa-sha256", b"2000/09/xmldsig#rsa-sha1")) == "bad_signature"


@pytest.mark.parametrize(
    "gone", ["KeyInfo", "X509Certificate", "SignatureValue", "DigestValue", "Reference", "SignedInfo"]
)
def test_a_signature_with_a_part_missing(gone: str) -> None:
    root = etree.fromstring(good())
    (found,) = root.iter(f"{{{DSIG}}}{gone}")
    parent = found.getparent()
    assert parent is not None
    parent.remove(found)
    assert refusal(etree.tostring(root)) in ("bad_signature", "signer_untrusted")


@pytest.mark.parametrize("junk", ["", "AAAA", "é", "-----BEGIN CERTIFICATE-----\n"])
@pytest.mark.parametrize("where", ["X509Certificate", "SignatureValue", "DigestValue"])
def test_a_signature_with_a_part_garbled(where: str, junk: str) -> None:
    root = etree.fromstring(good())
    (found,) = root.iter(f"{{{DSIG}}}{where}")
    found.text = junk
    assert refusal(etree.tostring(root, encoding="UTF-8")) in ("bad_signature", "signer_untrusted", "changed")


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><l>&c;</l>'
)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_xml"),
        (b"garbage", "not_xml"),
        (b"<a>", "not_xml"),
        (b"\x00\xff\xfe", "not_xml"),
        ("<ListeBlancheMSSante/>".encode("utf-16"), "not_xml"),
        (b"<html><body>404</body></html>", "not_a_list"),
        (b"<ListeBlancheMSSante/>", "not_a_list"),
        (BOMB, "document_type"),
        (b'<!DOCTYPE l SYSTEM "http://127.0.0.1:1/x.dtd"><l/>', "document_type"),
        (b'<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]><l>&f;</l>', "document_type"),
        (b"<a>" * 400 + b"</a>" * 400, "not_xml"),
        (b"<a>" + b"x" * (33 * 1024 * 1024) + b"</a>", "too_large"),
        (b"<a>" + b"<b/>" * 1_500_001 + b"</a>", "too_large"),
        (b"<a>" + b"x" * (11 * 1024 * 1024) + b"</a>", "not_xml"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_hostile_documents(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_an_honest_signature_does_not_excuse_a_document_type() -> None:
    data = good().replace(b"?>", b'?><!DOCTYPE x [<!ENTITY e "e">]>', 1)
    assert refusal(data) == "document_type"


def test_a_signed_list_without_rows_or_date() -> None:
    assert refusal(signed_list([], signer())) == "empty"
    for text in ("", "yesterday", "2025-13-41T00:00:00Z", "0001-01-01T00:00:00+23:59"):
        root = document(ROWS)
        root[0].text = text
        assert refusal(sign(root, signer())) == "no_date"


def test_another_signed_document_of_the_signer() -> None:
    other = etree.Element(f"{{{NAMESPACE}}}Autre", nsmap={None: NAMESPACE})
    assert refusal(sign(other, signer())) == "not_a_list"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_changed_is_refused_or_harmless(data: st.DataObject) -> None:
    whole = good()
    where = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 20))
    mutated = whole[:where] + data.draw(st.binary(max_size=20)) + whole[where + cut :]
    try:
        found = verify(mutated)
    except BadList:
        return
    assert dict(found.domains) == dict(verify(whole).domains)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Anna.Sante.EXAMPLE", "anna.sante.example"),
        ("15-20.sante.example", "15-20.sante.example"),
        ("hôpital.example", "xn--hpital-ixa.example"),
        ("XN--HPITAL-IXA.example", "xn--hpital-ixa.example"),
    ],
)
def test_domains_are_compared_as_a_labels(name: str, label: str) -> None:
    assert trustlist.domain(name) == label


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", ".example", "a..example", "-a.example", "a-.example", "a b.example", "[127.0.0.1]", "a@b.example"),
        *(
            "a.example.",
            "é" * 70 + ".example",
            "a" * 64 + ".example",
            "a." * 130 + "example",
            "*.example",
            "a.\u2028.fr",
        ),
    ],
)
def test_what_is_no_domain(name: str) -> None:
    with pytest.raises(ValueError):
        trustlist.domain(name)


def test_the_difference_between_two_lists() -> None:
    old = verify(good())
    new = verify(signed_list([*ROWS[1:], Row("eve.sante.example", EVE)], signer()))
    found = difference(old, new)
    assert found.domains_added == {"eve.sante.example"}
    assert found.domains_removed == frozenset()
    assert found.dns_added == {dn.parse(EVE)}
    assert found.dns_removed == {dn.parse(ANNA)}
    assert (found.pairs_added, found.pairs_removed) == (1, 1)
    assert "example" not in repr(found)
    assert not difference(old, old)
    assert difference(None, old).pairs_added == 3


def test_dates_with_an_offset() -> None:
    root = document(ROWS)
    root[0].text = "2025-02-28T16:42:07+01:00"
    assert verify(sign(root, signer())).generated == datetime(2025, 2, 28, 15, 42, 7, tzinfo=UTC)
