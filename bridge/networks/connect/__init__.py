"""Liaison Connect v1: the open API for vendor products; one folder, many products as configuration."""

from bridge.networks.connect.api import ConnectApi
from bridge.networks.connect.connector import ConnectConnector, build
from bridge.networks.connect.settings import ConnectSettings

__all__ = ["ConnectApi", "ConnectConnector", "ConnectSettings", "build"]
