"""A whole network for the test suite, in one folder: letters are files, carried between two lofts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.model import Address, Body, Delivery, Kind, Message, Ref, Report, Typing
from bridge.network import Built, Network, Outfit
from bridge.receiver import Receiver
from bridge.seal import Seal


class PigeonSettings(BaseModel):
    """The section ``networks.pigeon``: where each loft is."""

    lofts: dict[str, Path]


class Loft:
    """One network: every file of ``in`` is a letter, every letter that arrives becomes a file of ``out``."""

    capabilities = Capabilities(html=False, typing=False)

    def __init__(self, name: str, folder: Path, hub: Receiver) -> None:
        self.network = name
        self._folder = folder
        self._hub = hub
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for letters."""
        for name in ("in", "out", "states"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        while True:
            for path in sorted((self._folder / "in").glob("*.json")):
                await self._take(path)
            await asyncio.sleep(0.02)

    async def _take(self, path: Path) -> None:
        """A letter is away once the hub has it; one that is refused comes back."""
        said = json.loads(path.read_text())
        ref, sender = Ref(self.network, path.stem), Address(self.network, said["by"])
        message = Message(ref, said["chat"], sender, Kind.TEXT, Body(said["text"]), 0, tuple(said.get("to", ())))
        try:
            await self._hub.accept(message)
        except Refused as refusal:
            path.rename(path.with_suffix(f".{refusal.code}"))
        else:
            path.unlink()

    async def deliver(self, delivery: Delivery) -> Ref:
        """See :class:`bridge.connector.Connector`."""
        letter = {"from": delivery.sender.name, "text": delivery.body.text, "chat": delivery.chat}
        (self._folder / "out" / f"{delivery.id}.json").write_text(json.dumps(letter))
        return Ref(self.network, delivery.id)

    async def report(self, reports: Sequence[Report]) -> None:
        """See :class:`bridge.connector.Connector`."""
        for report in reports:
            states = {state.person.name: state.state.value for state in report.states}
            (self._folder / "states" / f"{report.ref.id}.json").write_text(json.dumps(states))

    async def typing(self, typing: Typing) -> None:
        """A pigeon shows no pen."""


def _build(settings: PigeonSettings, outfit: Outfit) -> Built:
    return Built([Loft(name, folder, outfit.hub) for name, folder in settings.lofts.items()])


def _prove(settings: PigeonSettings, seal: Seal) -> None:
    for name, folder in settings.lofts.items():
        if folder.is_file():
            raise ValueError(f"networks.pigeon.lofts.{name}: {folder} is a file")


NETWORK = Network(PigeonSettings, _build, _prove)
