"""Files that a webhook only names: the simulated product fetches them, until they are whole."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.world.simulator.document import Document
from deploy.world.simulator.outbox import Outbox
from deploy.world.simulator.state import Json, State
from liaison.connect import ConnectError

_TRIES = 3  # of a file that comes damaged


class Fetching:
    """``message`` is the product's id of a message. What is not fetched stays as it was named."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def fetch(self, outbox: Outbox, message: str, files: Sequence[Json]) -> None:
        """Fetch all of them and keep them."""
        found = [await self.whole(outbox, one) for one in files]
        whole = [one for one in found if one is not None]
        if len(whole) == len(files):
            with self._state.together():
                self._state.amend(message, files=self._state.put_files(message, whole))

    async def whole(self, outbox: Outbox, file: Json) -> Document | None:
        """One file; None if it cannot be had."""
        for _ in range(_TRIES):
            try:
                content = await outbox.hub.download(file["id"])
            except ConnectError:
                return None
            document = Document(file["name"], file["type"], content)
            if document.sha256 == file["sha256"]:
                return document
        return None
