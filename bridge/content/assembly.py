"""The filters of a hub, in their order: a file is scanned as it came, then looked at."""

from __future__ import annotations

from bridge.config import FilesSettings
from bridge.content.care import Care
from bridge.content.clamd import Clamd
from bridge.content.scanning import Scanning
from bridge.files import FileStore, Filter


def filters(settings: FilesSettings, store: FileStore | None) -> list[Filter]:
    """What every file passes. ``store``: where files lie."""
    care = Care(store, take_out=settings.remove_positions)
    if settings.scan.clamd is None:
        return [care]
    return [Scanning(Clamd(settings.scan.clamd, settings.scan.timeout)), care]
