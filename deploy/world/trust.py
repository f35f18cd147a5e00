"""A private trust space for tests and demo: an authority, operator certificates, CRLs, and a signed trust list.

Nothing here is believed by anybody else: every name is invented. The list has the form of the published one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

NAMESPACE = "https://listeblanche.mssante.fr/schema"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
SIGNER_CN = "signature.liste.example"
ISSUER_CN = "AC ESSAI ORGANISATIONS"
ROOT_CN = "AC ESSAI RACINE"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Kind = Literal["rsa", "ec"]
_ATTRIBUTES = {
    "CN": NameOID.COMMON_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "C": NameOID.COUNTRY_NAME,
}
_OPERATOR = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def subject(cn: str, ou: str = "1750000001", o: str = "OPERATEUR ESSAI", st: str = "Paris (75)", c: str = "FR") -> str:
    """A DN text in the list's normal form."""
    return f"CN={cn},OU={ou},O={o},ST={st},C={c}"


def name(text: str) -> x509.Name:
    """The X.500 name of a plain DN text (no quoting: ``,`` separates). Most significant attribute first."""
    pairs = [part.split("=", 1) for part in text.split(",")]
    return x509.Name([x509.NameAttribute(_ATTRIBUTES[kind], value) for kind, value in reversed(pairs)])


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key; ``chain`` holds the intermediates in PEM."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    chain: bytes = field(default=b"", repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate, then its chain."""
        return self.certificate.public_bytes(serialization.Encoding.PEM) + self.chain

    @property
    def der(self) -> bytes:
        """As a TLS peer shows it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def write(self, directory: Path, stem: str) -> tuple[Path, Path]:
        """Write ``stem.crt`` (with chain) and ``stem.pem`` (the key, mode 0600); give back both paths."""
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = directory / f"{stem}.crt", directory / f"{stem}.pem"
        certificate.write_bytes(self.pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        return certificate, key


class Authority:
    """A root, an intermediate for organisations, and what the intermediate issues and revokes."""

    def __init__(self, *, root_cn: str = ROOT_CN, issuer_cn: str = ISSUER_CN, key: Kind = "rsa") -> None:
        self._root_key, self._key = _new_key(key), _new_key(key)
        own = name(f"CN={root_cn},O=ESSAI,C=FR")
        middle = name(f"CN={issuer_cn},OU=0002 000000000,O=ESSAI,C=FR")
        self.root = _authority_certificate(own, self._root_key, own, self._root_key, path=1)
        self.intermediate = _authority_certificate(middle, self._key, own, self._root_key, path=0)
        self._revoked: list[tuple[int, datetime]] = []
        self._number = 1

    @property
    def bundle(self) -> bytes:
        """Root and intermediate in PEM: what the others pin."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self.root, self.intermediate))

    def issue(
        self,
        dn: str | x509.Name,
        *,
        hosts: Sequence[str] = (),
        key: Kind = "rsa",
        usages: Sequence[x509.ObjectIdentifier] = _OPERATOR,
        valid: tuple[timedelta, timedelta] = (timedelta(days=-1), timedelta(days=365)),
    ) -> Issued:
        """A certificate of this subject, for servers and clients; ``valid`` is relative to now; ``hosts`` are SANs."""
        own = _new_key(key)
        now = datetime.now(UTC)
        named = name(dn) if isinstance(dn, str) else dn
        builder = _builder(named, own, self.intermediate.subject, now + valid[0], now + valid[1])
        usage = _usage(digital_signature=True, content_commitment=True, key_encipherment=True)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_key_of(self._key), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False)
        chain = self.intermediate.public_bytes(serialization.Encoding.PEM)
        return Issued(builder.sign(self._key, hashes.SHA256()), own, chain)

    def expired(self, dn: str | x509.Name, *, hosts: Sequence[str] = (), key: Kind = "rsa") -> Issued:
        """A certificate that was valid until yesterday."""
        return self.issue(dn, hosts=hosts, key=key, valid=(timedelta(days=-30), timedelta(days=-1)))

    def signer(self, cn: str = SIGNER_CN, *, valid: tuple[timedelta, timedelta] | None = None) -> Issued:
        """A certificate that may sign a list: emailProtection only."""
        window = valid or (timedelta(days=-1), timedelta(days=365))
        return self.issue(
            subject(cn, "3000000000000", "SIGNATAIRE"), usages=[ExtendedKeyUsageOID.EMAIL_PROTECTION], valid=window
        )

    def revoke(self, issued: Issued) -> None:
        """The next CRL names it."""
        self._revoked.append((issued.certificate.serial_number, datetime.now(UTC) - timedelta(minutes=1)))

    def crl(
        self,
        *,
        at: datetime | None = None,
        lasts: timedelta = timedelta(days=7),
        serials: Iterable[int] = (),
        delta: bool = False,
    ) -> bytes:
        """The intermediate's CRL in DER, made ``at`` (now) and valid for ``lasts``; ``serials`` are added."""
        made = at or datetime.now(UTC) - timedelta(minutes=1)
        rows = [*self._revoked, *((one, made) for one in serials)]
        self._number += 1
        return _crl(self.intermediate, self._key, rows, (made, made + lasts), self._number, delta=delta)

    def ocsp(self, request: bytes, *, by: Issued | None = None, at: datetime | None = None) -> bytes:
        """A responder's answer in DER, by the intermediate itself or ``by`` somebody with its charge; lasts an hour."""
        asked = ocsp.load_der_ocsp_request(request)
        made = at or datetime.now(UTC) - timedelta(minutes=1)
        gone = dict(self._revoked).get(asked.serial_number)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            asked.hash_algorithm,
            ocsp.OCSPCertStatus.REVOKED if gone else ocsp.OCSPCertStatus.GOOD,
            made,
            made + timedelta(hours=1),
            gone,
            None,
        )
        signer = by.certificate if by else self.intermediate
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        if by is not None:
            builder = builder.certificates([by.certificate])
        answer = builder.sign(by.key if by else self._key, hashes.SHA256())
        return answer.public_bytes(serialization.Encoding.DER)

    def root_crl(self, *, revoke_intermediate: bool = False, lasts: timedelta = timedelta(days=30)) -> bytes:
        """The root's CRL in DER."""
        made = datetime.now(UTC) - timedelta(minutes=1)
        rows = [(self.intermediate.serial_number, made)] if revoke_intermediate else []
        self._number += 1
        return _crl(self.root, self._root_key, rows, (made, made + lasts), self._number)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: a domain and the DN text of a certificate that may speak for it."""

    domain: str
    dn: str
    description: str = "Domaine d'essai"


def document(rows: Iterable[Row], generated: datetime | None = None) -> etree._Element:
    """An unsigned list."""
    root = etree.Element(f"{{{NAMESPACE}}}ListeBlancheMSSante", nsmap={None: NAMESPACE})
    made = _stamp(generated or datetime.now(UTC) - timedelta(minutes=1))
    etree.SubElement(root, f"{{{NAMESPACE}}}DateDeGeneration").text = made
    table = etree.SubElement(root, f"{{{NAMESPACE}}}ListeDomaines")
    for row in rows:
        entry = etree.SubElement(table, f"{{{NAMESPACE}}}Domaine")
        for tag, text in (
            ("Nom", row.domain),
            ("Description", row.description),
            ("DNCertificatOperateur", row.dn),
            ("ResponsableContact", "00 00 00 00 00, contact@responsable.invalid"),
            ("SupportContact", "00 00 00 00 00, contact@support.invalid"),
            ("DateMAJ", made),
        ):
            etree.SubElement(entry, f"{{{NAMESPACE}}}{tag}").text = text
    return root


def sign(unsigned: etree._Element, signer: Issued) -> bytes:
    """The signed list: enveloped, exclusive C14N, RSA-SHA256, the leaf certificate only, its lines ending in CR LF."""
    maker = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    maker.namespaces = {None: DSIG}  # type: ignore[dict-item]  # the published list has no prefix
    root = maker.sign(unsigned, key=signer.key, cert=[signer.certificate])
    for certificate in root.iter("{*}X509Certificate"):
        certificate.text = "\r\n".join((certificate.text or "").split()) + "\r\n"
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def signed_list(rows: Iterable[Row], signer: Issued, generated: datetime | None = None) -> bytes:
    """A list of these rows, signed."""
    return sign(document(rows, generated), signer)


def made_up(domains: int = 5000, dns: int = 400, rows: int = 6500) -> Iterator[Row]:
    """Rows of a full-size list: most domains have one certificate, some up to five; a few rows are repeated."""
    texts = [
        subject(f"smtp-{n}.operateur-{n % 300}.example", f"1{n:09}", f"CENTRE HOSPITALIER N° {n}", "Haute-Vienne (87)")
        for n in range(dns)
    ]
    for n in range(domains):
        yield Row(f"etablissement-{n}.sante.example", texts[n * 7 % dns], f"Domaine de l'établissement {n}")
    for n in range(max(rows - domains, 0)):
        yield Row(f"etablissement-{n % 1100}.sante.example", texts[(n % 1100 * 7 + 1 + n // 1100) % dns])


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _new_key(kind: Kind) -> Key:
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def _builder(named: x509.Name, key: Key, issuer: x509.Name, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_certificate(
    named: x509.Name, key: Key, issuer: x509.Name, issuer_key: Key, *, path: int
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        _builder(named, key, issuer, now - timedelta(days=3650), now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(_key_of(issuer_key), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _key_of(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _usage(**on: bool) -> x509.KeyUsage:
    names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
    off = dict.fromkeys([*names.split(), "crl_sign", "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**{**off, **on})


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _crl(
    issuer: x509.Certificate,
    key: Key,
    rows: Iterable[tuple[int, datetime]],
    window: tuple[datetime, datetime],
    number: int,
    *,
    delta: bool = False,
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(window[0])
        .next_update(window[1])
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_key_of(key), critical=False)
    )
    if delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(number - 1), critical=True)
    for serial, when in rows:
        row = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
        builder = builder.add_revoked_certificate(row)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
