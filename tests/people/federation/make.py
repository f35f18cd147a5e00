"""Lists, keys, and a federation with a clock that a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bridge.people.federation.federation import Federation
from bridge.people.federation.participants import Capacity, FederationList, Participant, compose
from bridge.people.federation.signed import PrivateKey, new_key, read_private, sign

KEY, OTHER = (read_private(new_key()) for _ in range(2))
NOW = 1_800_000_000
DAY = 86_400


def participant(domain: str, *roles: Capacity, operator: str = "CHU de Lyon") -> Participant:
    return Participant(domain, frozenset(roles or (Capacity.MATRIX,)), operator)


def listed(sequence: int, *participants: Participant, issued: int = NOW, days: int = 30) -> FederationList:
    return FederationList(
        sequence, issued, issued + days * DAY, "ANS", {one.domain: one for one in participants}
    )  # fmt: skip


def signed(made: FederationList, key: PrivateKey = KEY) -> bytes:
    return sign(compose(made), key)


@dataclass
class Clock:
    """Seconds since 1970."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Used:
    """A federation's list in use, and whatever is offered to it next."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    offered: bytes | None = None

    def __post_init__(self) -> None:
        self.federation = self.again()

    def again(self) -> Federation:
        """After a restart."""
        made = Federation([KEY.public_key()], self.folder / "state" / "federation.jws", self.clock)
        made.load()
        self.federation = made
        return made

    async def fetch(self) -> bytes | None:
        return self.offered

    async def offer(self, offered: bytes | None) -> bool:
        self.offered = offered
        return await self.federation.renew(self.fetch)

    def has(self, domain: str, role: Capacity = Capacity.MATRIX) -> bool:
        return self.federation.find(domain, role) is not None
