"""Ghosts are judged by the person behind them, whom the hub knows; and a block in a client reaches the hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from appservice.arriving.policies import Policies, Unwanted
from bridge.hub.hub import now_ms
from deploy.world.waiting import wait_for
from tests.matrix.arriving.test_policies import REFUSED, became
from tests.matrix.make import SPACE, Node, entry, hub, serve
from tests.policy.far_world import AS_TOKEN, TOKEN, PolicyWorld, Someone
from tests.policy.scenes import BLOCKED, GOOD

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="session")]
DORA = "10000000006"


@asynccontextmanager
async def door(world: PolicyWorld, node: Node) -> AsyncIterator[None]:
    """What the hub answers the module, where the module asks; closed: the hub is down."""
    unwanted = Unwanted(node.db, node.hub, now_ms)
    await unwanted.load()
    async with AsyncExitStack() as stack:
        routes = Policies(TOKEN, node.people, node.matrix.names, unwanted).routes
        await serve(stack, [routes], world.policy_port)
        yield


async def mailed(node: Node, ben: Someone, chat: str) -> set[tuple[str, str | None]]:
    """Dora writes ben a mail; what she hears in the end."""
    return await became(
        node, await node.post(f"dora@{SPACE}", "bonjour", to=(f"matrix:{ben.mxid}",), chat=chat), "mail"
    )


async def test_a_blocked_doctor_stays_blocked_on_every_leg(policy: PolicyWorld, tmp_path: Path) -> None:
    """ben ignores the Matrix account of Dora. She writes by mail, and her ghost invites him; then the hub is down."""
    w = policy
    ben, dora = await w.someone(w.home, "ben"), await w.someone(w.away, "dora")
    people = [entry(DORA, "Dr Dora Faure", f"matrix:{dora.mxid}", f"mail:dora@{SPACE}")]
    trusts = (w.home.name, w.away.name).__contains__
    ignore: dict[str, Any] = {"ignored_users": {dora.mxid: {}}}
    async with hub(f"sqlite:///{tmp_path}/hub.db", w.hub_settings(), trusts, w.hub_port, people) as node:
        await node.warm(DORA)
        ghost = Someone(w, w.home, f"@rpps_{DORA}:{w.home.name}", AS_TOKEN, f"@rpps_{DORA}:{w.home.name}")
        async with door(w, node):
            assert (await ghost.invite_anew(ben.mxid)).short == GOOD
            await ben.choose("m.ignored_user_list", ignore)
            assert await mailed(node, ben, "m1") == REFUSED, "the hub knew once the choice was made"
            assert (await dora.invite_anew(ben.mxid)).short == BLOCKED
            assert (await ghost.invite_anew(ben.mxid)).short == BLOCKED, "another user, the same person"
            await ben.choose("m.ignored_user_list", {"ignored_users": {}})
            assert (await ghost.invite_anew(ben.mxid)).short == GOOD
            # who blocks everybody is not known to the hub as a block: the refused invitation tells
            await ben.choose("fr.liaison.contact", {"default": "block"})
            assert await mailed(node, ben, "m2") == REFUSED
            # a mail domain, and a profession
            await ben.choose("fr.liaison.contact", {"default": "block", "allow": {"servers": [SPACE]}})
            assert (await ghost.invite_anew(ben.mxid)).short == GOOD
            await ben.choose("fr.liaison.contact", {"block": {"groups": ["profession:Médecin"]}})
            assert (await ghost.invite_anew(ben.mxid)).short == BLOCKED
        await ben.choose("fr.liaison.contact", {})
        await ben.choose("m.ignored_user_list", ignore)  # nobody answers at the hub
        assert (await ghost.invite_anew(ben.mxid)).short == BLOCKED, "who she is was kept on disk"
        async with door(w, node):  # it is back, and hears what it has missed

            async def refused() -> bool:
                return bool(await node.db.all("matrix.unwanted_by", ben.mxid))

            await wait_for(refused, "the block at the hub")
            assert await mailed(node, ben, "m3") == REFUSED
    found = await ben.call("GET", f"/user/{quote(ben.mxid)}/account_data/m.ignored_user_list")
    assert found.body == ignore
    await ben.forget_choices()
