"""Pure: the settings of a conforming Synapse, section by section, each with its reason.

Sources: Synapse's configuration manual, and its ``synapse/config`` where the manual is silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from appservice.process.conforming import synapse_modules, synapse_workers
from appservice.process.conforming.choices import Site

Settings = dict[str, Any]
ETC, VAR = "/etc/synapse", "/var/lib/synapse"
SECRETS = ("macaroon", "form", "registration", "replication")
PROVIDERS_OWN = "psc"  # a secret that the provider gives
REGISTRATION = f"{ETC}/liaison.yaml"
SIGNING_KEY = f"{ETC}/signing.key"
LOG = f"{ETC}/log.yaml"


class Chapter(NamedTuple):
    """Settings that belong together, and why they are what they are."""

    why: str
    settings: Settings


def secret(site: Site, name: str) -> str:
    """The file with one of Synapse's secrets."""
    return site.path(f"{ETC}/secrets/{name}")


def settings(site: Site) -> Settings:
    """All of homeserver.yaml as one mapping."""
    return {name: value for part in parts(site) for name, value in part.settings.items()}


def parts(site: Site) -> Iterator[Chapter]:
    """All of homeserver.yaml, in the order in which it is read."""
    yield from _place(site)
    yield from _who(site)
    yield from _federation(site)
    yield from _rooms(site)
    yield from _content(site)
    yield from _hub(site)
    yield Chapter(
        "Limits: a whole hospital behind one address begins on a Monday morning; nobody tries passwords.",
        deepcopy(LIMITS),
    )
    if site.workers:
        yield Chapter(*synapse_workers.shared(site, secret(site, "replication")))


def _place(site: Site) -> Iterator[Chapter]:
    yield Chapter(
        "Who the homeserver is. server_name stands in every user id and can never be changed.",
        {
            "server_name": site.domain,
            "public_baseurl": f"{site.public_url}/",
            "serve_server_wellknown": False,  # the proxy serves all three files
            "report_stats": False,
            "pid_file": site.path(f"{VAR}/synapse.pid"),
            "signing_key_path": site.path(SIGNING_KEY),
            "log_config": site.path(LOG),
        },
    )
    yield Chapter(
        "This machine only: the proxy speaks TLS to the outside, and leaves the administration (/_synapse/admin) here.",
        {"listeners": [listener(site.synapse_port, ["client", "federation"]), *synapse_workers.listeners(site)]},
    )
    yield Chapter("Where everything is kept.", {"database": _database(site)})
    yield Chapter(
        "Secrets are files of their own, for Synapse's user alone.",
        {
            "macaroon_secret_key_path": secret(site, "macaroon"),
            "form_secret_path": secret(site, "form"),
            "registration_shared_secret_path": secret(site, "registration"),
        },
    )


def listener(port: int, names: list[str], *, forwarded: bool = True) -> Settings:
    """A listener of this machine; the proxy says for whom it calls."""
    shown: Settings = {"port": port, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"]}
    return shown | {"x_forwarded": forwarded, "resources": [{"names": names, "compress": False}]}


def _database(site: Site) -> Settings:
    if site.database == "sqlite":
        return {"name": "sqlite3", "args": {"database": site.path(f"{VAR}/synapse.db")}}
    most = 5 if site.workers else 10  # of each process; PostgreSQL has 100 for all unless it is told otherwise
    own = {"user": "synapse", "dbname": "synapse", "host": site.database_host, "cp_min": 1, "cp_max": most}
    return {"name": "psycopg2", "args": own}


def _who(site: Site) -> Iterator[Chapter]:
    passwords: Settings = {"enabled": not site.sso_client}
    if not site.sso_client:
        passwords["policy"] = {"enabled": True, "minimum_length": 12}
    yield Chapter(
        "Accounts come from the site's own sign-on. Nobody makes one by themselves, nobody comes as a guest.",
        {
            "enable_registration": False,
            "enable_registration_without_verification": False,
            "allow_guest_access": False,
            "password_config": passwords,
        },
    )
    if site.sso_client:
        why = "Professionals come by Pro Santé Connect: the account is that of the RPPS number, and ends with it."
        yield Chapter(why, synapse_modules.sign_on(site, secret(site, "login"), secret(site, PROVIDERS_OWN)))
    yield Chapter(
        "Professionals are found and named inside of the trust space; addresses of visits are forgotten.",
        {
            "require_auth_for_profile_requests": True,
            "limit_profile_requests_to_users_who_share_rooms": False,  # a colleague is seen before the first message
            "include_profile_data_on_invite": True,
            "user_directory": {"enabled": True, "search_all_users": True, "prefer_local_users": True},
            "allow_device_name_lookup_over_federation": False,
            "presence": {"enabled": False},
            "user_ips_max_age": "7d",
        },
    )


def _federation(site: Site) -> Iterator[Chapter]:
    if not site.federation_url:
        why = "Federation with the trust space only, whatever becomes of the module below. An empty list: with nobody."
        yield Chapter(why, {"federation_domain_whitelist": sorted(site.servers)})
    yield Chapter(
        "The federation's rules: who takes part and is invited by whom, which rooms may be. Loaded in every process.",
        {"modules": synapse_modules.modules(site, secret(site, "policy"), secret(site, "login"))},
    )
    yield Chapter(
        "Servers are asked for their keys themselves; certificates are checked.",
        {
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_verify_certificates": True,
            "federation_client_minimum_tls_version": 1.2,
            **({"federation_custom_ca_list": [site.federation_ca]} if site.federation_ca else {}),
            **({"ip_range_whitelist": list(site.private_networks)} if site.private_networks else {}),
        },
    )
    yield Chapter(
        "A server that was away is tried again within a minute, not ten: messages wait for it.",
        {
            "federation": {
                "destination_min_retry_interval": "10s",
                "destination_retry_multiplier": 2,
                "destination_max_retry_interval": "1m",
            }
        },
    )


def _rooms(site: Site) -> Iterator[Chapter]:
    yield Chapter(
        "Every new room is encrypted, also where a client forgets it; none is public or listed.",
        {
            "encryption_enabled_by_default_for_room_type": "all",
            "enable_room_list_search": False,
            "room_list_publication_rules": [{"action": "deny"}],
            "allow_public_rooms_without_auth": False,
            "allow_public_rooms_over_federation": False,
        },
    )
    keep = f"{site.keep_days}d"
    yield Chapter(
        "How long messages and files are kept here. Other servers keep theirs by their own rule.",
        {
            "retention": {
                "enabled": True,
                **({"default_policy": {"min_lifetime": "1d", "max_lifetime": keep}} if site.keep_days else {}),
                "allowed_lifetime_min": "1d",
                "allowed_lifetime_max": "3650d",
                "purge_jobs": [
                    {"longest_max_lifetime": "30d", "interval": "12h"},
                    {"shortest_max_lifetime": "30d", "interval": "1d"},
                ],
            },
            "media_retention": {
                **({"local_media_lifetime": keep} if site.keep_days else {}),
                "remote_media_lifetime": "30d",
            },
            "redaction_retention_period": "7d",
            "forgotten_room_retention_period": "7d",
        },
    )


def _content(site: Site) -> Iterator[Chapter]:
    yield Chapter(
        "Files: as large as the hub's (matrix.max_files), for signed-in users only. Nothing is fetched for previews, "
        "nothing of a message goes to a maker of telephones.",
        {
            "media_store_path": site.path(f"{VAR}/media"),
            "max_upload_size": site.max_upload,
            "max_image_pixels": "32M",
            "media_upload_limits": [{"time_period": "1h", "max_size": "5G"}],
            "enable_authenticated_media": True,
            "dynamic_thumbnails": False,
            "url_preview_enabled": False,
            "push": {"include_content": False},
        },
    )


def _hub(site: Site) -> Iterator[Chapter]:
    yield Chapter(
        "The hub: who it is, and whose ghosts are its own.", {"app_service_config_files": [site.path(REGISTRATION)]}
    )
    yield Chapter(
        "Keys and devices ring the hub at once; clients are told the state at the end of what they catch up with.",
        {
            "experimental_features": {
                "msc2409_to_device_messages_enabled": True,
                "msc3202_transaction_extensions": True,
                "msc4222_enabled": True,
            }
        },
    )


LIMITS: Settings = {
    "rc_message": {"per_second": 2, "burst_count": 50},
    "rc_login": {
        "address": {"per_second": 1, "burst_count": 100},
        "account": {"per_second": 0.02, "burst_count": 10},
        "failed_attempts": {"per_second": 0.02, "burst_count": 5},
    },
    "rc_joins": {"local": {"per_second": 1, "burst_count": 50}, "remote": {"per_second": 0.5, "burst_count": 50}},
    "rc_joins_per_room": {"per_second": 5, "burst_count": 50},
    "rc_invites": {
        "per_room": {"per_second": 5, "burst_count": 100},
        "per_user": {"per_second": 1, "burst_count": 50},
        "per_issuer": {"per_second": 1, "burst_count": 50},
    },
    "rc_room_creation": {"per_second": 0.2, "burst_count": 20},
    "rc_third_party_invite": {"per_second": 0.01, "burst_count": 5},
}
"""Users and other servers are limited; the hub is not (``rate_limited: false`` in its registration)."""
