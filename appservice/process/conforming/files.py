"""Pure: every file of a site, as a mapping of its path to its text; what `init` writes and `check` compares with."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import Any

import yaml

from appservice.process.conforming import hub_files, proxies, public_files, synapse_workers, units
from appservice.process.conforming.choices import Site
from appservice.process.conforming.synapse_modules import POLICY_STATE
from appservice.process.conforming.synapse_settings import ETC, LOG, REGISTRATION, Chapter, parts
from appservice.process.registration import registration, to_yaml
from appservice.process.settings import MatrixSettings

CHOICES = "/etc/liaison/homeserver.json"
_MADE = "# Made by `liaison homeserver init`, which writes it again as long as nobody has changed it.\n"
_OWN = "# What you set yourself goes into conf.d beside this file (a file of its own; it wins).\n"
_PRIVATE, _OPEN = 0o640, 0o644


@dataclass(frozen=True, slots=True)
class Text:
    """A file: its text, its rights and whose it is. ``begun``: an operator goes on with it, so it is written once."""

    text: str
    group: str = ""
    mode: int = _OPEN
    begun: bool = False


@dataclass(frozen=True, slots=True)
class RegistrationTokens:
    """The two secrets that a registration holds; they are in no repr."""

    as_token: str
    hs_token: str

    def __repr__(self) -> str:
        return "RegistrationTokens()"


def files(site: Site, tokens: RegistrationTokens) -> dict[str, Text]:
    """Every file but those that hold a secret alone (:mod:`.secret_files`)."""
    made = {
        f"{ETC}/homeserver.yaml": Text(homeserver_yaml(parts(site)), "synapse", _PRIVATE),
        LOG: Text(_MADE + log_yaml(), "synapse", _PRIVATE),
        REGISTRATION: Text(_registration(site, tokens), "synapse", 0o600),
        **_workers(site),
        f"{hub_files.ETC}/hub.yaml": Text(
            hub_files.head() + _yaml(hub_files.settings(site)), "liaison", _PRIVATE, begun=True
        ),
        f"{hub_files.ETC}/people.csv": Text(hub_files.PEOPLE, "liaison", _PRIVATE, begun=True),
        "/etc/nginx/conf.d/liaison.conf": Text(proxies.nginx(site)),
        "/etc/caddy/liaison.caddy": Text(proxies.caddy(site)),
        **{f"/etc/systemd/system/{name}": Text(text) for name, text in units.units(site).items()},
        "/etc/systemd/system/liaison.service": Text(_hub_unit(site)),
        f"{proxies.WWW}/.well-known/matrix/client": Text(public_files.text(public_files.client(site))),
        f"{proxies.WWW}/.well-known/matrix/server": Text(public_files.text(public_files.server(site))),
        f"{proxies.WWW}/.well-known/matrix/support": Text(public_files.text(public_files.support(site))),
        f"{proxies.WWW}/element/config.json": Text(public_files.text(public_files.element(site))),
    }
    return {site.path(place): text for place, text in made.items()}


def folders(site: Site) -> dict[str, str]:
    """Folders that a program needs and no file makes: each with its owner (data) or group (settings of one's own)."""
    data = {"/var/lib/synapse": "synapse", POLICY_STATE: "synapse", "/var/lib/liaison": "liaison"}
    return {site.path(place): owner for place, owner in data.items()} | {site.path(f"{ETC}/conf.d"): ""}


def homeserver_yaml(shown: Iterable[Chapter]) -> str:
    """The parts one after the other, each below its reason."""
    return _MADE + _OWN + "".join(f"\n{_comment(part.why)}\n{_yaml(part.settings)}" for part in shown)


def _comment(text: str) -> str:
    return textwrap.fill(text, 118, initial_indent="# ", subsequent_indent="# ")


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=120)


def log_yaml() -> str:
    """Warnings, for the journal. A level below writes addresses and users with every call."""
    return _yaml(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(levelname)s %(name)s %(request)s %(message)s"}},
            "filters": {"context": {"()": "synapse.logging.context.LoggingContextFilter", "request": ""}},
            "handlers": {
                "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["context"]},
            },
            "loggers": {"synapse.access": {"level": "WARNING"}},
            "root": {"level": "WARNING", "handlers": ["console"]},
        }
    )


def _registration(site: Site, tokens: RegistrationTokens) -> str:
    asked = hub_files.settings(site)["matrix"]
    settings = MatrixSettings(
        homeserver=asked["homeserver"],
        server_name=asked["server_name"],
        address=asked["address"],
        as_token=tokens.as_token,
        hs_token=tokens.hs_token,
    )
    return to_yaml(registration(settings, tokens.as_token, tokens.hs_token))


def _workers(site: Site) -> dict[str, Text]:
    own = {name: synapse_workers.worker(site, name, site.path(LOG)) for name in synapse_workers.all_of(site)}
    return {f"{ETC}/workers/{name}.yaml": Text(_MADE + _yaml(value)) for name, value in own.items()}


def _hub_unit(site: Site) -> str:
    text = resources(__package__).joinpath("liaison.service").read_text("utf-8")
    text = text.replace("/opt/liaison/bin", site.liaison).replace(
        "/etc/liaison/hub.yaml", site.path("/etc/liaison/hub.yaml")
    )
    return text.replace("matrix-synapse.service", "synapse.service matrix-synapse.service")
