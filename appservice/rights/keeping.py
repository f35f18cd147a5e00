"""What an operator decides about how long a conversation is kept: in the running hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.operating.door import Act
from bridge.errors import Refused
from bridge.hub.retaining.purging import Purging
from bridge.hub.retaining.retention import Retention

Json = dict[str, Any]


def acts(retention: Retention, purging: Purging) -> Mapping[str, Act]:
    """What the hub does when it is asked."""

    async def keep(asked: Json) -> Json:
        seconds = asked.get("seconds")
        await retention.keep(asked["id"], seconds, asked["by"], as_others=bool(asked.get("as_others")))
        return {"id": asked["id"]}

    async def purge(asked: Json) -> Json:
        if not await purging.purge(asked["id"], asked["by"]):
            raise Refused("conversation_in_use", about=asked["id"])
        return {"id": asked["id"]}

    return {"conversation-keep": keep, "conversation-purge": purge}
