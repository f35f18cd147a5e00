"""Pure: the beginning of a hub's configuration beside a conforming homeserver."""

from __future__ import annotations

from typing import Any

from appservice.process.conforming.choices import Site

ETC, VAR = "/etc/liaison", "/var/lib/liaison"
PEOPLE = "rpps,name,profession,place,mail,matrix,products\n"
_HEAD = """\
# The hub beside this site's homeserver. `liaison homeserver init` began this file; from now on it is yours.
# Every other option stands in deploy/hub.example.yaml with its default; `liaison check` says what is wrong and where.
"""


def settings(site: Site) -> dict[str, Any]:
    """hub.yaml as a mapping. Products are added by hand below ``networks.connect.products``."""
    return {
        "database": {"url": _database(site)},
        "seal": {"active": "1", "keys": {"1": site.path(f"{ETC}/seal.key")}},
        "directory": {"flatfile": site.path(f"{ETC}/people.csv")},
        "trust": _trust(site),
        "matrix": {
            "homeserver": site.behind,
            "server_name": site.domain,
            "address": f"http://localhost:{site.hub_port}",
            "as_token_file": site.path(f"{ETC}/as_token"),
            "hs_token_file": site.path(f"{ETC}/hs_token"),
            "policy_token_file": site.path(f"{ETC}/policy_token"),
            **({"login_token_file": site.path(f"{ETC}/login_token")} if site.sso_client else {}),
            "max_files": int(site.max_upload[:-1]) * 1_000_000,
        },
        "matrix_listen": {"port": site.hub_port},
        "connect_listen": {"port": site.connect_port, "max_per_peer": 1000},
        "clients_listen": {"port": site.clients_port, "max_per_peer": 1000, "public_url": site.public_url},
        "networks": {"connect": {"public_url": site.public_url, "products": {}}},
    }


def head() -> str:
    """What stands above the settings."""
    return _HEAD


def _database(site: Site) -> str:
    if site.database == "sqlite":
        return f"sqlite:///{site.path(f'{VAR}/hub.db')}"
    if site.database_host.startswith("/"):
        return f"postgresql://liaison@/liaison?host={site.database_host}"
    return f"postgresql://liaison@{site.database_host}/liaison"


def _trust(site: Site) -> dict[str, Any]:
    trust: dict[str, Any] = {"matrix_servers": sorted(site.servers)}
    if site.federation_url:
        state = site.path(f"{VAR}/federation.jws")
        trust["federation"] = {"url": site.federation_url, "keys": [site.federation_key], "state": state}
    return trust
