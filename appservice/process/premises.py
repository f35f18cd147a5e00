"""What a command needs that works on a hub which does not run: its tables, its directory, the names of its ghosts."""

from __future__ import annotations

from appservice.process import examine
from appservice.process.app import COMPONENTS
from appservice.process.settings import MatrixSettings
from appservice.rights.premises import Premises
from bridge.config import Config, validate


def premises(config: Config) -> Premises:
    """Raises BadConfig."""
    tables = [table for row, _ in examine.sections(config) for table in row.tables]
    settings = validate(MatrixSettings, config.matrix, "matrix")
    return Premises(config, (*COMPONENTS, *tables), examine.directory(config), settings.names())
