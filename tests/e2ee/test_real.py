"""Against a real Synapse and the reference client (matrix-js-sdk, Rust crypto, strict about unsigned devices)."""

from __future__ import annotations

import pytest

from deploy.demo.synapse import Synapse
from tests.e2ee.bench import hub, invited
from tests.peers.world import NewClient

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]


async def test_a_ghost_and_a_strict_client_read_each_other_without_any_warning(
    servers: tuple[Synapse, Synapse], url: str, new_client: NewClient
) -> None:
    home, _ = servers
    async with hub(home, url) as bench:
        ghost = await bench.ghost("anna")
        ben = await new_client(home, "ben")
        room = await invited(bench, ben, ghost)

        _, withheld = await bench.say(ghost, await bench.room(ghost, room), "bonjour")
        assert withheld == []
        seen = await ben.wait_text(room, "bonjour")
        assert (seen["decryption_failure"], seen["shield_colour"]) == (None, 0)

        event_id = await ben.send(room, "bonsoir")
        got = await bench.read(ghost, room, event_id)
        assert (got.type, got.content["body"], got.trust) == ("m.room.message", "bonsoir", "signed")
        assert got.device_id == ben.device_id
        assert bench.keys == [(room, got.session_id)]
