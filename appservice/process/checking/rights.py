"""Files that are secret: whether every user of the machine may read them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from appservice.process.checking.configuration import Read
from appservice.process.checking.findings import Finding, bad, good


def findings(read: Read) -> list[Finding]:
    """One for each file that is open to all; that one is missing was said before."""
    files = [(option, path) for option, path in _secret(read) if path is not None]
    found = []
    for option, path in files:
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o007:
                mend = f"chown root:liaison {path} && chmod 640 {path}: for the hub's user alone"
                found.append(bad(f"{option}: every user of this machine may use {path} (mode {mode:04o})", mend))
    return found or ([good(f"{len(files)} secret files are closed to others")] if files else [])


def _secret(read: Read) -> Iterator[tuple[str, Path | None]]:
    """Every file with a secret, by the option that names it."""
    seal = read.sections.get("seal")
    for name, source in (seal.keys if seal is not None else {}).items():
        yield f"seal.keys.{name}", _file(source)
    if read.matrix is not None:
        yield "matrix.as_token_file", read.matrix.as_token_file
        yield "matrix.hs_token_file", read.matrix.hs_token_file
    for name, product in (read.connect.products if read.connect is not None else {}).items():
        for secret in product.webhook_secrets:
            if secret.get_secret_value().startswith("file:"):
                yield f"networks.connect.products.{name}.webhook_secrets", _file(secret.get_secret_value())
    for name in ("matrix_listen", "connect_listen", "clients_listen"):
        if (where := read.sections.get(name)) is not None:
            yield f"{name}.key", where.key
    if read.mail is not None:
        yield "networks.mail.smtp.tls.key", read.mail.smtp.tls.key
        yield "networks.mail.smtp.tls.client_key", read.mail.smtp.tls.client_key


def _file(source: str) -> Path | None:
    return None if source.startswith("env:") else Path(source.removeprefix("file:"))
