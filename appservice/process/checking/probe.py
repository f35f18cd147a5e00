"""Who asks for ``liaison check``: two ghosts of nobody, which no message can reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """A ghost with a device for a moment, and another ghost that shares no room with it."""

    ghost: str
    device: str
    other: str
