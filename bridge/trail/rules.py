"""How a trail is kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrailRules:
    """``pause``: s between two looks at what was noted. ``checkpoint``: s after which new rows have a checkpoint.

    ``keep``: s after which rows are removed; 0: never. ``messages``: what becomes of messages is in the trail.
    """

    messages: bool = True
    pause: float = 2.0
    checkpoint: float = 600.0
    keep: float = 0.0
