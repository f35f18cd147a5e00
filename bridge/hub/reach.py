"""Which networks a message of a conversation goes to, and whether it reaches anybody. Pure."""

from __future__ import annotations

from collections.abc import Collection

from bridge.errors import Refused
from bridge.kinds import KINDS, Unable, not_carried
from bridge.model import Kind, Message, Person
from bridge.served import Served
from bridge.store.conversation import Conversation


def able_networks(
    connectors: Served, message: Message, conversation: Conversation, about: Kind, overtaken: Collection[str]
) -> frozenset[str]:
    """The networks that can carry this kind of message, and need it. Raises Refused if none can."""
    networks = set(conversation.networks) - {message.ref.network, *overtaken}
    for kind in (about, message.kind):  # taking back a reaction needs both
        rule = KINDS[kind]
        if rule.unable in (Unable.CARRY, Unable.SAY):
            continue
        text, legs = message.body.text, conversation.legs
        networks = {n for n in networks if connectors.carries(n, kind, text, legs.get(n))}
        if rule.unable is Unable.COUNT and message.reply_to is not None:
            continue
        if not (networks or overtaken) or (rule.about and message.reply_to is None):
            raise Refused(not_carried(kind))
    return frozenset(networks)


def reaches_somebody(connectors: Served, conversation: Conversation, sender: Person, network: str) -> None:
    """Raises Refused if the hub has nobody to give a message to."""
    if all(member.person.id == sender.id for member in conversation.members):
        raise Refused("nobody_else", "conversation")
    if not any(member.person.active for member in conversation.members if member.person.id != sender.id):
        raise Refused("recipient_inactive", "conversation")
    if connectors[network].capabilities.echoes:
        return  # its own people have it already
    if all(member.address.network == network for member in conversation.members):
        raise Refused("same_network", "conversation")
