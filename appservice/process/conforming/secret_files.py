"""Secrets of a site: made once, each into a file of its own, and never printed."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from appservice.process.conforming import hub_files
from appservice.process.conforming.choices import Site
from appservice.process.conforming.files import RegistrationTokens
from appservice.process.conforming.synapse_settings import PROVIDERS_OWN, SECRETS, SIGNING_KEY, secret

MODE = 0o600


def makers(site: Site) -> dict[str, tuple[str, Callable[[], str]]]:
    """Path → whose it is, and what makes a new one."""
    own: dict[str, tuple[str, Callable[[], str]]] = {
        secret(site, name): ("synapse", _token) for name in SECRETS if name != "replication" or site.workers
    }
    own[site.path(SIGNING_KEY)] = ("synapse", _signing_key)
    own[site.path(f"{hub_files.ETC}/seal.key")] = ("liaison", _seal_key)
    for name in ("as_token", "hs_token"):
        own[site.path(f"{hub_files.ETC}/{name}")] = ("liaison", _token)
    for name in ("policy", "login") if site.sso_client else ("policy",):
        ours = Path(site.path(f"{hub_files.ETC}/{name}_token"))
        own[str(ours)] = ("liaison", _token)
        own[secret(site, name)] = ("synapse", partial(ours.read_text, "utf-8"))  # each service has its own copy
    return own


def given(site: Site) -> list[str]:
    """Files that only somebody else can fill: the provider of the national login gives its client a secret."""
    return [secret(site, PROVIDERS_OWN)] if site.sso_client else []


def tokens(site: Site) -> RegistrationTokens:
    """What the registration holds. Raises OSError."""
    return RegistrationTokens(*(_read(site.path(f"{hub_files.ETC}/{name}")) for name in ("as_token", "hs_token")))


def make(path: Path, text: str) -> None:
    """A file that nobody else can open at any moment. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)


def _read(path: str) -> str:
    return Path(path).read_text("utf-8").strip()


def _token() -> str:
    return secrets.token_hex(32) + "\n"


def _seal_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode() + "\n"


def _signing_key() -> str:
    """As Synapse's own generator writes it: algorithm, version, seed in base64 without padding."""
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"
