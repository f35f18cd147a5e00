"""End-to-end encryption for all ghosts of the hub: devices, Olm, Megolm, cross-signing.

The only place that knows vodozemac.
"""

from pathlib import Path

from appservice.e2ee.engine import Engine
from appservice.e2ee.megolm_out import Outbound
from appservice.e2ee.model import Callbacks, Decrypted, KeyMissing, Policy, RoomState, Undecryptable
from appservice.e2ee.pickles import seeds_context
from bridge.db import Component

COMPONENT = Component("e2ee", Path(__file__).parent / "sql")

__all__ = [
    "COMPONENT", "Callbacks", "Decrypted", "Engine", "KeyMissing", "Outbound", "Policy", "RoomState", "Undecryptable",
    "seeds_context",
]  # fmt: skip
