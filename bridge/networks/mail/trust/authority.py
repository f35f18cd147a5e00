"""The pinned authority: the certificates of one PEM bundle, who issued what, and whether a chain holds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError


class Authority:
    """Root and intermediates. Raises ValueError when the bundle holds no certificate."""

    def __init__(self, bundle: bytes) -> None:
        self.bundle = bundle
        self._certificates = x509.load_pem_x509_certificates(bundle)
        self._by_subject: dict[x509.Name, list[x509.Certificate]] = {}
        for one in self._certificates:
            self._by_subject.setdefault(one.subject, []).append(one)

    def __repr__(self) -> str:
        return f"Authority({len(self._certificates)} certificates)"

    def named(self, subject: x509.Name) -> Sequence[x509.Certificate]:
        """The certificates of this subject (several after a renewal)."""
        return self._by_subject.get(subject, ())

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Who of the bundle issued it, by name and signature; None for a self-signed or foreign one."""
        if certificate.issuer == certificate.subject:
            return None
        for one in self.named(certificate.issuer):
            try:
                certificate.verify_directly_issued_by(one)
            except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
                continue
            return one
        return None

    def holds(self, certificate: x509.Certificate, at: datetime) -> bool:
        """Does a valid chain lead from it to the bundle at this time? Its usages and names are not looked at."""
        policy = (
            PolicyBuilder()
            .store(Store(self._certificates))
            .time(at)
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
        )
        try:
            policy.build_client_verifier().verify(certificate, [])
        except (VerificationError, UnsupportedAlgorithm, ValueError):
            return False
        return True


def key_id(certificate: x509.Certificate) -> bytes:
    """The public key of a certificate, as a name for what it signs."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
