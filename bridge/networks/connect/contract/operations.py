"""What products can ask for, as a table: the routes and the OpenAPI document are both made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from bridge import vcard
from bridge.networks.connect import abilities, about, accounts, fields, listed, teams, wire
from bridge.networks.connect.credentials import key_words
from bridge.networks.connect.fields import Wire
from bridge.networks.connect.log import answers
from bridge.networks.connect.shelf import wire_files
from bridge.networks.connect.users import absence_words, end_words

PREFIX = "/connect/v1"


@dataclass(frozen=True, slots=True)
class Ending:
    """Since when an operation is deprecated, and the time (UTC) after which it may be gone."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Operation:
    """One request: ``name`` is its operationId and the method in ``calls`` that does it."""

    name: str
    method: str
    path: str
    summary: str
    status: int
    answer: type[Wire] | None = None
    body: type[Wire] | None = None
    open: bool = False  # needs no token
    may_lack: bool = False  # what is asked for may be unknown: 404
    keyed: bool = False  # its body has an id, which is the idempotency key: 409
    decides: bool = False  # and this may have been decided otherwise: 409
    files: bool = False  # its body may hold files
    raw: bool = False  # its body is a file
    signed: bool = False  # a signed address may stand for the token; a part may be asked for: 206, 416
    media: str = "application/json"  # of its answer
    tag: str = ""  # of the document; empty: the first part of the path
    deprecated: Ending | None = None
    about: str = ""  # what the summary does not say

    @property
    def ends(self) -> dict[str, str]:
        """The headers by which an answer says that the operation will end (RFC 9745, RFC 8594)."""
        if self.deprecated is None:
            return {}
        since, until = self.deprecated.since, self.deprecated.until
        return {"Deprecation": f"@{int(since.timestamp())}", "Sunset": format_datetime(until, usegmt=True)}


OPERATIONS = (
    Operation(
        "upload", "POST", "/files", "Upload a file that a message names then.", 201, wire_files.Uploaded, raw=True,
    ),
    Operation(
        "file", "GET", "/files/{id}", "A file that a webhook has named, or a part of it.", 200,
        may_lack=True, signed=True, media="*/*",
    ),
    Operation(
        "send", "POST", "/messages", "Hand in a message; answered once it is safely on disk.", 202,
        wire.MessageAccepted, wire.NewMessage, may_lack=True, keyed=True, files=True,
    ),
    Operation(
        "message", "GET", "/messages/{id}", "What became of a message of this product.", 200,
        wire.MessageStatus, may_lack=True,
    ),
    Operation(
        "edit", "POST", "/messages/{id}/edits", "Correct a message of this product's user.", 202,
        wire.MessageAccepted, about.NewEdit, may_lack=True, keyed=True,
    ),
    Operation(
        "remove", "POST", "/messages/{id}/removals", "Take back a message, or a reaction, of this product's user.", 202,
        wire.MessageAccepted, about.NewRemoval, may_lack=True, keyed=True,
    ),
    Operation(
        "react", "POST", "/messages/{id}/reactions", "React to a message of anybody.", 202,
        wire.MessageAccepted, about.NewReaction, may_lack=True, keyed=True,
    ),
    Operation(
        "vote", "POST", "/messages/{id}/votes", "Vote in a poll, or take the vote back.", 202,
        wire.MessageAccepted, about.NewVote, may_lack=True, keyed=True,
    ),
    Operation(
        "end_poll", "POST", "/messages/{id}/end", "End a poll of this product's user.", 202,
        wire.MessageAccepted, about.NewEnd, may_lack=True, keyed=True,
    ),
    Operation(
        "handle", "POST", "/messages/{id}/handled", "Mark a message of anybody as dealt with.", 202,
        wire.MessageAccepted, about.NewHandled, may_lack=True, keyed=True,
    ),
    Operation(
        "abilities", "GET", "/capabilities", "What the hub takes this product to be able to.", 200,
        abilities.AbilitiesView,
    ),
    Operation(
        "declare_abilities", "PUT", "/capabilities", "Declare what this version of the product is able to.", 200,
        abilities.AbilitiesView, abilities.Abilities,
    ),
    Operation(
        "declare", "PUT", "/users/{id}", "Declare a user and vouch for the professional that they are.", 200,
        wire.UserView, accounts.Vouch,
    ),
    Operation("user", "GET", "/users/{id}", "A user of this product.", 200, wire.UserView, may_lack=True),
    Operation(
        "confirm", "POST", "/users/{id}/confirmations",
        "The user says whether an account that another product declares is theirs, too.", 200,
        accounts.Confirmed, accounts.Confirmation, may_lack=True, decides=True,
    ),
    Operation(
        "people", "GET", "/people", "Find people by name, place, profession or identifier.", 200, wire.FoundPeople,
    ),
    Operation(
        "contacts", "GET", "/people/contacts.vcf", "Everybody with whom a user is in a conversation, as vCards.", 200,
        media=vcard.MIME,
    ),
    Operation(
        "conversation", "GET", "/conversations/{id}", "A conversation of this product's users.", 200,
        wire.ConversationView, may_lack=True,
    ),
    Operation(
        "members", "POST", "/conversations/{id}/members", "Add people to a conversation and remove others.", 202,
        wire.MembersAccepted, wire.MembersChange, may_lack=True, keyed=True,
    ),
    Operation(
        "leave", "POST", "/conversations/{id}/leave", "A user of this product leaves a conversation.", 202,
        wire.MembersAccepted, teams.Leaving, may_lack=True, keyed=True,
    ),
    Operation(
        "give_picture", "PUT", "/conversations/{id}/avatar", "Give a conversation a picture, or take it away.", 202,
        fields.NameAccepted, teams.Picturing, may_lack=True, keyed=True, files=True,
    ),
    Operation(
        "give_topic", "POST", "/conversations/{id}/topic", "Say what a conversation is about.", 202,
        fields.NameAccepted, teams.GivingTopic, may_lack=True, keyed=True, about="The others read it as what the user "
        "does (`message.created`, `kind` `emote`; in Matrix inside the encrypted room). What a Matrix user writes as "
        "the room's topic comes in the same way.",
    ),
    Operation(
        "rename", "POST", "/conversations/{id}/name", "Give a conversation a name, or take it away.", 202,
        fields.NameAccepted, fields.Renaming, may_lack=True, keyed=True,
    ),
    Operation(
        "receipt", "POST", "/receipts", "A user's device has a delivered message, or the user has read it.", 204,
        body=wire.Receipt, may_lack=True,
    ),
    Operation("typing", "POST", "/typing", "A user begins or stops to write. Best effort.", 204, body=wire.TypingSign),
    Operation(
        "export_user", "GET", "/users/{id}/export", "What the hub has of a user.", 200, end_words.UserExport,
        may_lack=True,
    ),
    Operation(
        "end_user", "DELETE", "/users/{id}", "The user is gone: leaves every conversation, and is forgotten.", 202,
        end_words.UserEnd, may_lack=True, about="Every conversation is left, and the others are told; what waits for "
        "the user is refused to its senders; the account is forgotten, and can be declared anew. Ids, times and states "
        "of messages stay, as their senders see them. Ask again until `state` is `ended`; what a crash interrupts goes "
        "on by itself. `user.revoked` is sent, too.",
    ),
    Operation(
        "blocked", "GET", "/users/{id}/blocked", "Of whom a user wants no messages.", 200, listed.PeopleView,
    ),
    Operation(
        "block", "PUT", "/users/{id}/blocked/{person}", "The user wants no messages of this person.", 204,
        about="Whatever this person says from now on is refused for this user, in every conversation and from every "
        "network, with the neutral reason `not_taken`; the others of the conversation get it. `person` is a handle.",
    ),
    Operation(
        "unblock", "DELETE", "/users/{id}/blocked/{person}", "The user wants messages of this person again.", 204,
    ),
    Operation(
        "portray", "PUT", "/users/{id}/avatar", "What the user looks like to people of other networks.", 204,
        body=teams.Portraying, files=True, about="Matrix clients show it beside the user's name, in place of the "
        "initials. It may be the picture of a person or of a service, and never that of a patient; positions are taken "
        "out. The hub keeps no copy. Again is the same; the end of the user takes it away.",
    ),
    Operation(
        "be_absent", "PUT", "/users/{id}/absence", "The user is away for a while, and somebody stands in.", 200,
        absence_words.AbsenceView, absence_words.NewAbsence, about="Whoever writes to the user meanwhile, from "
        "whatever network, is told once in each conversation: until when, the user's own words, and the substitute.",
    ),
    Operation(
        "absence", "GET", "/users/{id}/absence", "When the user is away.", 200, absence_words.AbsenceView,
        may_lack=True,
    ),
    Operation("be_back", "DELETE", "/users/{id}/absence", "The user is there again.", 204),
    Operation(
        "list_users", "GET", "/users", "Everybody whom this product has declared, by id.", 200, listed.UsersView,
    ),
    Operation(
        "list_conversations", "GET", "/conversations", "The conversations of this product's users, or of one of them.",
        200, listed.ConversationsView,
    ),
    Operation(
        "list_members", "GET", "/conversations/{id}/members", "The members of a conversation.", 200,
        listed.MembersView, may_lack=True,
    ),
    Operation(
        "list_messages", "GET", "/conversations/{id}/messages",
        "What this product handed in, or its users were given, in a conversation, the newest first: states, no texts.",
        200, listed.MessagesView, may_lack=True,
    ),
    Operation(
        "history", "GET", "/conversations/{id}/history",
        "What was said in a conversation, as far as a user may read it, the newest first.", 200, listed.HistoryView,
        may_lack=True, about="The hub keeps no text: it is read again from the room, as the user's ghost sees it. What "
        "was said since the user came is there, and of what was said before only what the room's rule shows and its "
        "senders' clients have marked as history to be shared. 404 `no_history`: the conversation has no room.",
    ),
    Operation(
        "events", "GET", "/events", "The log of this product's webhooks: what follows a cursor.", 200,
        answers.EventsView,
    ),
    Operation(
        "replay", "POST", "/events/{id}/replay", "Send a webhook of the log again, now.", 200,
        answers.WebhookAttempt, may_lack=True,
    ),
    Operation(
        "try_webhook", "POST", "/webhook/test", "Send a `webhook.test` event, now.", 200, answers.WebhookAttempt,
        tag="events",
    ),
    Operation(
        "credentials", "GET", "/credentials", "Which tokens and webhook secrets of this product are good.", 200,
        key_words.CredentialsView,
    ),
    Operation(
        "rotate_token", "POST", "/credentials/token", "Have a new token; the old ones end.", 201,
        key_words.TokenMade, key_words.NewCredential,
    ),
    Operation(
        "rotate_secret", "POST", "/credentials/webhook-secret", "Have a new webhook secret; the old ones end.", 201,
        key_words.SecretMade, key_words.NewCredential,
    ),
    Operation("health", "GET", "/health", "Whether the API answers.", 200, wire.Health, open=True),
)  # fmt: skip
