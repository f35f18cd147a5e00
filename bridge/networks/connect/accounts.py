"""The words of Connect about users whom two products declare: what is asked, answered and told. Pure."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from bridge.model import AccountEvent, AccountNews, Claim, Standing
from bridge.networks.connect.fields import PRODUCT_PATTERN, Rpps, Time, Wire, time_text

StateName = Literal["active", "held", "refused", "revoked", "unproven", "unlisted"]
STATE = (
    "active: the user takes part; held: another product has this professional, who has to confirm the account there "
    "(or the operator decides): until then the user may do nothing and is shown to nobody; refused: not their account; "
    "revoked: the link was taken back (by the operator, the product, or as the professional was struck off): "
    "declare the user anew; unproven: the federation asks for a stronger proof of this product's "
    "users: declare the user with `proof`; unlisted: the product is not on the federation's list: ask the operator."
)


class ProofOf(Wire):
    """What speaks for it beside the product's word: never kept, and in no log."""

    kind: Literal["assertion", "national"] = Field(
        description="assertion: a compact JWS (EdDSA or ES256, `typ` `liaison-user+jws`, `kid` the key's RFC 7638 "
        "thumbprint) by a key that the operator has, with `iss` the product's name, `aud` `liaison`, `sub` the user's "
        "id, `rpps`, `iat` and `exp` at most ten minutes later. national: the identity token (RS256) that Pro Santé "
        "Connect gave the product when the user logged in."
    )
    token: str = Field(min_length=20, max_length=16_384, repr=False)


class Vouch(Wire):
    """The professional that a user is; the product vouches for it."""

    rpps: Rpps
    proof: ProofOf | None = Field(
        default=None,
        description="A stronger proof than the product's word. The federation's list may ask for one; a national login "
        "needs no confirmation where another product has this professional. A later declaration without it takes "
        "nothing away.",
    )
    language: Literal["fr", "en", "both"] | None = Field(
        default=None,
        description="In which language this user reads what Liaison itself says (`system` messages). "
        "Left out: as before, at first that of the house.",
    )


class Contest(Wire):
    """Another product declares this user's professional, too: only the professional knows whether that is right."""

    product: str
    label: str = Field(description="The product's name for people.")
    since: Time


class Confirmation(Wire):
    """What the professional says about an account in another product."""

    product: str = Field(pattern=PRODUCT_PATTERN, description="As in `contested_by` and `user.contested`.")
    decision: Literal["accept", "refuse"] = Field(description="accept: it is mine, too; refuse: it is not mine.")


class Confirmed(Wire):
    """What is decided about an account in another product."""

    product: str
    label: str
    state: Literal["active", "refused"]
    decided_at: Time


class UserNews(Wire):
    """What became of a user's account, or of another product's account for the same professional."""

    user: str = Field(description="The product's id of the user.")
    product: str = Field(description="The product that declares the professional, and whose account this is about.")
    label: str = Field(description="That product's name for people.")
    state: StateName = Field(description=STATE)
    at: Time


class UserHeldEvent(Wire):
    """Webhook `user.held`: the account waits."""

    type: Literal["user.held"]
    timestamp: Time
    data: UserNews


class UserAcceptedEvent(Wire):
    """Webhook `user.accepted`: the account is active now."""

    type: Literal["user.accepted"]
    timestamp: Time
    data: UserNews


class UserRefusedEvent(Wire):
    """Webhook `user.refused`: the account is not the professional's."""

    type: Literal["user.refused"]
    timestamp: Time
    data: UserNews


class UserContestedEvent(Wire):
    """Webhook `user.contested`: another product declares the same professional; ask the user, then confirm."""

    type: Literal["user.contested"]
    timestamp: Time
    data: UserNews


class UserSettledEvent(Wire):
    """Webhook `user.settled`: what `user.contested` asked has been answered, by whomever."""

    type: Literal["user.settled"]
    timestamp: Time
    data: UserNews


class UserRevokedEvent(Wire):
    """Webhook `user.revoked`: the account is no longer the professional's."""

    type: Literal["user.revoked"]
    timestamp: Time
    data: UserNews


EVENTS: dict[str, type[Wire]] = {
    "user.held": UserHeldEvent,
    "user.accepted": UserAcceptedEvent,
    "user.refused": UserRefusedEvent,
    "user.contested": UserContestedEvent,
    "user.settled": UserSettledEvent,
    "user.revoked": UserRevokedEvent,
}
EVENT_OF = {event: f"user.{event.value}" for event in AccountEvent}


def to_contest(claim: Claim, label: str) -> dict[str, Any]:
    """A claim that waits, as the product that has the professional sees it."""
    return {"product": claim.network, "label": label, "since": time_text(claim.since)}


def to_confirmed(claim: Claim, label: str) -> dict[str, Any]:
    """A claim that is decided."""
    state = "active" if claim.standing is Standing.ACTIVE else "refused"
    at = time_text(claim.decided_at or claim.since)
    return {"product": claim.network, "label": label, "state": state, "decided_at": at}


def to_news(news: AccountNews, label: str) -> dict[str, Any]:
    """The data of a webhook about an account."""
    at = time_text(news.at)
    user, product = news.account.id, news.claimant
    return {"user": user, "product": product, "label": label, "state": news.standing.value, "at": at}
