"""Products: whether their webhooks are taken, which tokens and secrets are good until when, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from appservice.operating.door import Act
from bridge.hub.assembly import Core
from bridge.networks.connect.connector import ConnectConnector

Json = dict[str, Any]


def acts(core: Core) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def products(asked: Json) -> Json:
        found = [one for one in core.served.values() if isinstance(one, ConnectConnector)]
        return {"products": [await _shown(core, one) for one in found]}

    return {"products": products}


async def _shown(core: Core, one: ConnectConnector) -> Json:
    handed = core.courier.counts.handed
    counts = {what: handed[one.network, what] for what in ("sent", "later", "refused")}
    stand = asdict(await one.stand())
    return stand | {"name": one.network, "label": one.label, "up": core.courier.up(one.network), "attempts": counts}
