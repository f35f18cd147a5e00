"""The conversations in which a product's users are: who is in them, what they are called, what they carry."""

from __future__ import annotations

from aiohttp import web

from bridge.model import Address, File, Ref
from bridge.networks.connect import abilities, fingerprints, translate
from bridge.networks.connect.calls.call import Call
from bridge.networks.connect.fields import Renaming, from_group_name, to_group_name
from bridge.networks.connect.fingerprints import Prints
from bridge.networks.connect.problems import json_answer
from bridge.networks.connect.teams import GivingTopic, Leaving, Picturing
from bridge.networks.connect.wire import MembersChange
from bridge.receiver import Within


class ConversationCalls:
    """Without ``known`` an id that is used again is not compared with what was said under it first."""

    def __init__(self, known: Prints | None) -> None:
        self._known = known

    def _once(self, ref: Ref, said: bytes) -> Within | None:
        """An id stands for one request only."""
        return self._known.same(ref, said) if self._known else None

    async def conversation(self, call: Call) -> web.Response:
        """GET /conversations/{id}."""
        chat_id = call.id
        chat = await call.own_chat(chat_id)
        others = {m.address.network for m in chat.members} - {call.network}
        carried = abilities.to_carried(call.hub.carried(others))
        ranks = await call.hub.facts.ranks(chat.conversation)
        members = [translate.to_member(m, ranks) for m in chat.members]
        return json_answer({"id": chat_id, "members": members, "carried": carried, "name": from_group_name(chat.name)})

    async def members(self, call: Call) -> web.Response:
        """POST /conversations/{id}/members."""
        network, chat_id = call.network, call.id
        change = call.parse(MembersChange)
        chat = await call.own_chat(chat_id)
        leaving = translate.to_leaving(change.remove, chat.members)
        by = Address(network, change.by)
        ref = Ref(network, change.id)
        once = self._once(ref, fingerprints.of_change(chat_id, change))
        await call.hub.change_members(ref, chat_id, network, by, change.add, leaving, once)
        return json_answer({"id": change.id, "conversation": chat_id}, 202)

    async def leave(self, call: Call) -> web.Response:
        """POST /conversations/{id}/leave."""
        network, chat_id = call.network, call.id
        said = call.parse(Leaving)
        await call.known_chat(chat_id)
        ref, user = Ref(network, said.id), Address(network, said.user)
        once = self._once(ref, fingerprints.of_leaving(chat_id, said))
        await call.hub.change_members(ref, chat_id, network, user, [], [user], once)
        return json_answer({"id": said.id, "conversation": chat_id}, 202)

    async def give_picture(self, call: Call) -> web.Response:
        """PUT /conversations/{id}/avatar."""
        network, chat_id = call.network, call.id
        said = call.parse(Picturing)
        await call.own_chat(chat_id)
        ref, by = Ref(network, said.id), Address(network, said.by)
        once = self._once(ref, fingerprints.of_picture(chat_id, said))
        picture = None if said.content is None else File("", "", said.content)
        await call.hub.picture(ref, chat_id, by, picture, once)
        return json_answer({"id": said.id, "conversation": chat_id}, 202)

    async def give_topic(self, call: Call) -> web.Response:
        """POST /conversations/{id}/topic."""
        network, chat_id = call.network, call.id
        said = call.parse(GivingTopic)
        await call.own_chat(chat_id)
        ref, by = Ref(network, said.id), Address(network, said.by)
        once = self._once(ref, fingerprints.of_topic(chat_id, said))
        await call.hub.topic(ref, chat_id, by, said.topic or "", once)
        return json_answer({"id": said.id, "conversation": chat_id}, 202)

    async def rename(self, call: Call) -> web.Response:
        """POST /conversations/{id}/name."""
        network, chat_id = call.network, call.id
        said = call.parse(Renaming)
        await call.own_chat(chat_id)
        ref, by = Ref(network, said.id), Address(network, said.by)
        once = self._once(ref, fingerprints.of_renaming(chat_id, said))
        await call.hub.rename(ref, chat_id, by, to_group_name(said.name), once)
        return json_answer({"id": said.id, "conversation": chat_id}, 202)
