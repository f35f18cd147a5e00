"""The ways to each network. A network is a folder (or file) here and a line in the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from bridge.network import Network

NETWORKS: Mapping[str, str] = {
    "connect": "bridge.networks.connect.connector",
    "mail": "bridge.networks.mail.leg.connector",
}
"""Section of the configuration -> the module whose ``NETWORK`` serves it. A section may serve several networks."""


def networks() -> Iterator[tuple[str, Network]]:
    """Every section with its network."""
    for section, module in NETWORKS.items():
        found = import_module(module).NETWORK
        assert isinstance(found, Network)
        yield section, found
