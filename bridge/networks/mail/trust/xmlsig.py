"""Enveloped XML signatures (W3C XML-DSig 1.1) of a pinned signer under a pinned authority, on top of signxml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature as InvalidSignatureValue
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Store
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidCertificate, InvalidDigest, SignXMLException
from signxml.util import X509CertChainVerifier
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"


class BadList(Exception):
    """This list is not to be used. ``code`` is a stable machine word; :mod:`decision` explains it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class ListSigner:
    """Who signs the list: common names of the certificate and of its issuer (not a fingerprint: it gets renewed)."""

    cn: str
    issuer_cn: str


def parser() -> etree.XMLParser:
    """One that expands, loads and fetches nothing, and stops at libxml2's limits of depth and text."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, collect_ids=False
    )


def verify(
    root: etree._Element, authority: bytes, signer: ListSigner, at: datetime | None
) -> tuple[etree._Element, x509.Certificate]:
    """What was signed, and the signer's certificate. Raises BadList."""
    _one_signature(root)
    chain = _Chain(_bundle(authority), signer, at or datetime.now(UTC))
    verifier = _Verifier(chain)
    try:
        result = verifier.verify(root, parser=parser(), expect_config=_configuration(chain.at))
    except BadList:
        raise
    except InvalidDigest:
        raise BadList("changed") from None
    except InvalidCertificate:
        raise BadList("signer_untrusted") from None
    except (SignXMLException, InvalidSignatureValue, UnsupportedAlgorithm, etree.LxmlError):
        raise BadList("bad_signature") from None
    except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError):
        raise BadList("bad_signature") from None  # what signxml lets through for odd but well-formed signatures
    if not isinstance(result, VerifyResult) or result.signed_xml is None or chain.found is None:
        raise BadList("bad_signature")
    _whole_document(result.signature_xml)
    return result.signed_xml, chain.found


def _one_signature(root: etree._Element) -> None:
    """Exactly one signature, child of the root: nothing wrapped, nothing moved."""
    signatures = list(root.iter(f"{_DS}Signature"))
    if not signatures:
        raise BadList("unsigned")
    if len(signatures) > 1:
        raise BadList("several_signatures")
    if signatures[0].getparent() is not root:
        raise BadList("signature_moved")


def _whole_document(signature: etree._Element) -> None:
    """The one reference is the whole document, without the signature, in exclusive canonical form."""
    info = signature.find(f"{_DS}SignedInfo")
    reference = None if info is None else info.find(f"{_DS}Reference")
    if info is None or reference is None or reference.get("URI") != "":
        raise BadList("bad_signature")
    transforms = [one.get("Algorithm") for one in reference.iterfind(f"{_DS}Transforms/{_DS}Transform")]
    method = info.find(f"{_DS}CanonicalizationMethod")
    if transforms != [_ENVELOPED, _C14N] or method is None or method.get("Algorithm") != _C14N:
        raise BadList("bad_signature")


def _bundle(authority: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(authority)
    except ValueError:
        raise BadList("no_authority") from None


def _configuration(at: datetime) -> SignatureConfiguration:
    return SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=frozenset(
            [SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512]
        ),
        digest_algorithms=frozenset([DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512]),
        verification_time=at,
    )


class _Chain(X509CertChainVerifier):
    """Trusts the given authority only (signxml's own falls back to the public web authorities), and one signer."""

    def __init__(self, authority: list[x509.Certificate], signer: ListSigner, at: datetime) -> None:
        super().__init__(ca_pem_file="", verification_time=at)  # type: ignore[no-untyped-call]
        self._authority = authority
        self._signer = signer
        self.at = at
        self.found: x509.Certificate | None = None

    @property
    def store(self) -> Store:
        return Store(self._authority)

    def verify(self, cert_chain: list[x509.Certificate]) -> x509.Certificate:
        try:
            found = super().verify(cert_chain)  # type: ignore[no-untyped-call]
        except InvalidCertificate:
            leaf = cert_chain[0]
            if self.at < leaf.not_valid_before_utc:
                raise BadList("signer_not_yet_valid") from None
            if self.at > leaf.not_valid_after_utc:
                raise BadList("signer_expired") from None
            raise
        assert isinstance(found, x509.Certificate)
        if (_cn(found.subject), _cn(found.issuer)) != (self._signer.cn, self._signer.issuer_cn):
            raise BadList("other_signer")
        self.found = found
        return found


class _Verifier(XMLVerifier):
    """signxml's, with our chain."""

    def __init__(self, chain: _Chain) -> None:
        super().__init__()
        self._chain = chain

    def get_cert_chain_verifier(self, *_: object, **__: object) -> _Chain:
        return self._chain


def _cn(name: x509.Name) -> str | None:
    values = [str(one.value) for one in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return values[0] if len(values) == 1 else None
