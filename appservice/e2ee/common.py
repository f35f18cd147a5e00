"""What most parts of the key engine stand on: made once, given to each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appservice.e2ee.devices import Devices
from appservice.e2ee.ghost_devices import GhostDevices
from appservice.e2ee.megolm_in import MegolmIn
from appservice.e2ee.model import Policy
from appservice.e2ee.pickles import Pickles
from bridge.db import Database


@dataclass(frozen=True, slots=True)
class Common:
    """The database, the engine's memory of ghosts, devices and inbound sessions, the policy and the clock (ms)."""

    db: Database
    pickles: Pickles
    ghosts: GhostDevices
    devices: Devices
    megolm: MegolmIn
    policy: Policy
    clock_ms: Callable[[], int]
