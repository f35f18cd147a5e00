"""Names of the list and of certificates: what is the same, what is not, what is refused."""

from __future__ import annotations

import unicodedata

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from bridge.networks.mail.trust import dn
from tests.mail.trust.make import authority, certificate

PLAIN = "CN=mss.ch-essai.example,OU=1870000099,O=C H U  DE  ESSAI,ST=Haute-Vienne (87),C=FR"
NBSP = "\u00a0"


@pytest.mark.parametrize(
    "twin",
    [
        'CN=mss.ch-essai.example,OU=1870000099,O="C H U  DE  ESSAI",ST=Haute-Vienne (87),C=FR',
        "CN=mss.ch-essai.example, OU=1870000099, O=C H U DE ESSAI, ST=Haute-Vienne (87), C=FR",
        "CN=mss.ch-essai.example;OU=1870000099;O=C H U DE ESSAI;ST=Haute-Vienne (87);C=FR",
        "C=FR,ST=Haute-Vienne (87),O=C H U DE ESSAI,OU=1870000099,CN=mss.ch-essai.example",
        "cn=MSS.CH-essai.example,ou=1870000099,o=c h u de essai,s=HAUTE-VIENNE (87),c=fr",
        f"CN=mss.ch-essai.example,OU=1870000099,O=C H U{NBSP}DE{NBSP} ESSAI,ST=Haute-Vienne (87),C=FR",
        "CN=mss.ch-essai.example ,OU=1870000099 ,O=C H U DE ESSAI  ,ST=Haute-Vienne (87) ,C=FR ",
        "CN=mss.ch-essai.example,OU=1870000099,O=C H U DE ESSAI\\ ,ST=Haute-Vienne (87),C=FR",
        "2.5.4.3=mss.ch-essai.example,OID.2.5.4.11=1870000099,2.5.4.10=C H U DE ESSAI,2.5.4.8=Haute-Vienne (87),C=FR",
        'CN = "mss.ch-essai.example" , OU = "1870000099" , O = "C H U DE ESSAI" , ST = "Haute-Vienne (87)" , C = "FR"',
    ],
)
def test_twins_are_the_same_name(twin: str) -> None:
    assert dn.parse(twin) == dn.parse(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("1870000099", "1870000098"),
        PLAIN.replace("ST=", "L="),
        PLAIN.replace(",C=FR", ""),
        PLAIN.replace("C H U  DE  ESSAI", "CHU DE ESSAI"),
        PLAIN.replace("(87)", "87"),
        PLAIN + ",OU=more",
        "CN=mss.ch-essai.example",
    ],
)
def test_one_difference_is_another_name(other: str) -> None:
    assert dn.parse(other) != dn.parse(PLAIN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('O=CLINIQUE "LES LILAS",C=FR', 'clinique "les lilas"'),
        ('O="CLINIQUE ""LES"" LILAS",C=FR', 'clinique ""les"" lilas'),
        ('O="CLINIQUE "LES LILAS"",C=FR', 'clinique "les lilas"'),
        ('O="CLINIQUE, OUVERTE",C=FR', "clinique, ouverte"),
        ('O="A, OU=b",C=FR', "a, ou=b"),
        ("O=CLINIQUE\\, OUVERTE,C=FR", "clinique, ouverte"),
        ("O=CLINIQUE, OUVERTE; LE SOIR,C=FR", "clinique, ouverte; le soir"),
        ("O=A \\+ B,C=FR", "a + b"),
        ("O=A + B,C=FR", "a + b"),
        ("O=H\\C3\\B4pital,C=FR", "hôpital"),
        ("O=Ho\u0302pital,C=FR", "hôpital"),
        ("O=\\#1 \\\\ \\q,C=FR", "#1 \\ \\q"),
        ('O="jamais fermé,C=FR', '"jamais fermé'),
        ("O=Straße,C=FR", "strasse"),
    ],
)
def test_values_as_real_lists_write_them(text: str, value: str) -> None:
    assert dn.parse(text) == {("O", value), ("C", "fr")}


@pytest.mark.parametrize(
    "text", ["", "   ", "no name", "=x", "CN=", 'CN="",C=FR', "CN=a+OU=b,C=FR", ",CN=a", "CN=a,C=", "x" * 5000]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):
        dn.parse(text)


def test_too_many_attributes() -> None:
    assert len(dn.parse(",".join(f"OU={n}" for n in range(32)))) == 32
    with pytest.raises(ValueError):
        dn.parse(",".join(f"OU={n}" for n in range(33)))


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        found = dn.parse(text)
    except ValueError:
        return
    assert all(kind and value for kind, value in found)


@given(st.text(min_size=1, max_size=60))
def test_folding_is_stable(text: str) -> None:
    once = dn.fold(text)
    assert dn.fold(once) == once
    assert dn.fold(unicodedata.normalize("NFD", once)) == dn.fold(unicodedata.normalize("NFC", once))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["CN", "OU", "O", "L", "ST"]),
            st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=16).filter(
                lambda t: dn.fold(t)
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_what_cryptography_writes_is_read(pairs: list[tuple[str, str]]) -> None:
    oids = {"CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "O": NameOID.ORGANIZATION_NAME}
    oids |= {"L": NameOID.LOCALITY_NAME, "ST": NameOID.STATE_OR_PROVINCE_NAME}
    name = x509.Name([x509.NameAttribute(oids[kind], value) for kind, value in pairs])
    assert dn.parse(name.rfc4514_string()) == {(kind, dn.fold(value)) for kind, value in pairs}


def test_a_certificate_has_the_name_of_its_row() -> None:
    text = "CN=smtp.essai.example,OU=1750000042,O=HÔPITAL  D'ESSAI,ST=Val-de-Marne (94),C=FR"
    assert dn.of(certificate(text).certificate) == dn.parse(text)
    assert dn.of(certificate(text).certificate) == dn.parse(certificate(text).certificate.subject.rfc4514_string())


def test_a_certificate_is_taken_by_its_attributes_not_by_text() -> None:
    """An O that reads like two attributes is still one."""
    sly = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A,CN=victim.example"),
        ]
    )
    assert dn.of(authority().issue(sly, key="ec").certificate) == {("C", "fr"), ("O", "a,cn=victim.example")}


def test_a_multi_valued_rdn_never_matches() -> None:
    both = x509.RelativeDistinguishedName(
        [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "b")]
    )
    with pytest.raises(ValueError):
        dn.of(authority().issue(x509.Name([both]), key="ec").certificate)


def test_a_certificate_without_subject_has_no_name() -> None:
    with pytest.raises(ValueError):
        dn.of(authority().issue(x509.Name([]), key="ec").certificate)


def test_an_unknown_attribute_keeps_its_number() -> None:
    odd = x509.Name([x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "x")])
    assert dn.of(authority().issue(odd, key="ec").certificate) == dn.parse("1.2.3.4=X")


def test_people_read_the_important_first() -> None:
    assert dn.show(dn.parse(PLAIN)).startswith("CN=mss.ch-essai.example, OU=1870000099, O=c h u de essai")
