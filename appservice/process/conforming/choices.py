"""Pure: what distinguishes one site from another; all else of a conforming homeserver follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from bridge.config import BadConfig

PRO_SANTE_CONNECT = "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet"
_SERVER = r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?"
_FORMS = {
    "domain": (_SERVER, "a server name such as chu.example"),
    "host": (_SERVER, "a host such as matrix.chu.example"),
    "element": (rf"({_SERVER})?", "a host such as element.chu.example"),
    "database": ("postgresql|sqlite", "postgresql or sqlite"),
    "element_language": ("fr|en", "fr or en"),
    "max_upload": ("[1-9][0-9]*M", "a size such as 100M"),
    "database_host": (r"/[\w./-]*|[A-Za-z0-9.-]+", "a host, or the folder of PostgreSQL's socket"),
    "contact": (r"(\S+@\S+\.\S+)?", "a mail address"),
    "federation_url": (r"(https://\S+)?", "an https:// address"),
    "sso_issuer": (r"(https?://\S+)?", "an https:// address"),
}
_PATHS = ("certificate", "key", "federation_ca", "federation_key", "folder", "synapse", "liaison")


@dataclass(frozen=True, slots=True)
class Site:
    """Every choice of an operator. Files lie below ``folder`` (a trial without root), which is empty on a machine.

    ``host``: where clients and other servers reach the homeserver; ``keep_days``: how long messages are kept, 0 for
    ever; ``workers``: processes that serve clients, 0 for one process in all; ``servers``: who may federate, beside
    the signed list at ``federation_url``. ``synapse`` and ``liaison`` are the folders of the two programs.
    """

    domain: str
    host: str
    contact: str = ""
    database: str = "postgresql"
    database_host: str = "/var/run/postgresql"
    servers: tuple[str, ...] = ()
    federation_url: str = ""
    federation_key: str = ""
    federation_ca: str = ""
    private_networks: tuple[str, ...] = ()
    sso_issuer: str = ""
    sso_client: str = ""
    certificate: str = ""
    key: str = ""
    element: str = ""
    element_language: str = "fr"
    keep_days: int = 365
    max_upload: str = "100M"
    workers: int = 0
    folder: str = ""
    synapse: str = "/opt/synapse/bin"
    liaison: str = "/opt/liaison/bin"
    https_port: int = 443
    synapse_port: int = 8008
    hub_port: int = 29_300
    connect_port: int = 29_301
    clients_port: int = 29_303

    def path(self, place: str) -> str:
        """Where a file of the machine lies for this site."""
        return self.folder + place

    @property
    def public_url(self) -> str:
        """The homeserver's address as clients know it."""
        return f"https://{self.host}"

    @property
    def behind(self) -> str:
        """Where the hub reaches the homeserver: with workers by way of the proxy, which knows who serves a call."""
        return f"http://127.0.0.1:{self.synapse_port + 1 if self.workers else self.synapse_port}"

    def kept(self) -> dict[str, Any]:
        """The choices as JSON holds them."""
        return asdict(self)


def site(chosen: Mapping[str, Any]) -> Site:
    """A site of what was chosen; the rest follows from the domain. Raises BadConfig, a line for each problem."""
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    known = {one.name for one in fields(Site)}
    if wrong := sorted(set(given) - known):
        raise BadConfig(f"{', '.join(wrong)}: there is no such setting")
    if not given.get("domain"):
        raise BadConfig("--domain: is missing")
    host = given.setdefault("host", f"matrix.{given['domain']}")
    folder = str(given.get("folder", ""))
    given.setdefault("certificate", f"{folder}/etc/ssl/{host.partition(':')[0]}/fullchain.pem")
    given.setdefault("key", f"{folder}/etc/ssl/{host.partition(':')[0]}/privkey.pem")
    if given.get("sso_client"):
        given["sso_issuer"] = given.get("sso_issuer") or PRO_SANTE_CONNECT
    made = Site(**given)
    if problems := _problems(made):
        raise BadConfig("\n".join(problems))
    return made


def _problems(made: Site) -> list[str]:
    found = [
        f"--{name.replace('_', '-')}: {said}"
        for name, (form, said) in _FORMS.items()
        if not re.fullmatch(form, getattr(made, name))
    ]
    found += [f"--server: {one}: {_FORMS['domain'][1]}" for one in made.servers if not re.fullmatch(_SERVER, one)]
    for name in _PATHS:
        value = getattr(made, name)
        if value and not re.fullmatch(r"/[A-Za-z0-9._/@+-]*", value):
            found.append(f"--{name.replace('_', '-')}: an absolute path of letters, digits and . _ - @ +")
    if bool(made.federation_url) != bool(made.federation_key):
        found.append("--federation-url and --federation-key: give both")
    if made.sso_issuer and not made.sso_client:
        found.append("--sso-client: the id that the provider has given is missing")
    if made.workers and made.database != "postgresql":
        found.append("--workers: several processes need PostgreSQL")
    if not 0 <= made.workers <= 32:
        found.append("--workers: 0 to 32")
    if made.keep_days < 0 or 0 < made.keep_days < 30:
        found.append("--keep-days: 0 (for ever) or at least 30: who is on leave reads it late")
    return found
