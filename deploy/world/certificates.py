"""A private certificate authority for the servers of one run."""

from pathlib import Path

import trustme


class Authority:
    """Issues certificates that only who holds `path` believes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA()
        self.path = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.path))

    def issue(self, directory: Path, *names: str) -> tuple[Path, Path]:
        """Write a certificate chain and its key for host names into a directory; give back both paths."""
        leaf = self._ca.issue_cert(*names, common_name=names[0])
        certificate, key = directory / "tls.crt", directory / "tls.pem"
        certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
        return certificate, key
