"""Which networks a message of a conversation goes to, and whether it reaches anybody. Pure."""

from __future__ import annotations

from collections.abc import Collection

from bridge.errors import Refused
from bridge.kinds import KINDS, Unable, not_carried
from bridge.model import Kind, Message, Person
from bridge.served import Served
from bridge.store.conversation import Conversation


def able_networks(
    connectors: Served, message: Message, conversation: Conversation, about: Kind, overtaken: Collection[str],
    answered: str | None = None,
) -> frozenset[str]:  # fmt: skip
    """The networks that get this message, in whatever form, and need it. Raises Refused if none can.

    ``about`` is the kind of what a correction corrects, ``answered`` the network where what a message is about was
    written.
    """
    rule, kind = KINDS[message.kind], message.kind
    if rule.about and message.reply_to is None:
        raise Refused(not_carried(kind))
    networks = set(conversation.networks) - {message.ref.network, *overtaken}
    if rule.erases and not KINDS[about].recipients:
        return frozenset(networks)  # whoever was given the sign; nobody else has a name for it
    text, legs = message.body.text, conversation.legs
    able = {n for n in networks if connectors.form(n, kind, text, legs.get(n), n == answered) is not None}
    if not (able or overtaken) and rule.about and rule.unable is not Unable.COUNT:
        raise Refused(not_carried(kind))
    return frozenset(able)


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
