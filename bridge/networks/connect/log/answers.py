"""The words of Connect about the log of a product's webhooks: what is asked and answered. Pure."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import Field

from bridge.networks.connect.fields import Time, Wire
from bridge.networks.connect.log.event_log import LoggedEvent, LogPage

Outcome = Literal["delivered", "logged", "refused", "failed"]


class EventView(Wire):
    """A webhook, as it was or is to be sent, with its `webhook-id` and whether the product has taken it already."""

    webhook_id: str = Field(alias="webhook-id", description="The idempotency key: drop one that you have.")
    delivered: bool = Field(
        description="The product has taken it: it answered the webhook, or its cursor has passed it before."
    )
    type: str = Field(description="As in the webhook.")
    timestamp: Time
    data: dict[str, Any] = Field(repr=False, description="As in the webhook of this type.")


class EventsView(Wire):
    """What follows a cursor, in order."""

    events: list[EventView]
    next: str = Field(
        description="The `after` of the next request. By that request the product says that it has all of these "
        "safely: their senders see them delivered."
    )
    whole: bool = Field(
        description="False: what came between `after` and the first of these was deleted, as it was older than the log "
        "is kept. Ask for the conversations anew."
    )


class WebhookAttempt(Wire):
    """What became of one attempt to send a webhook."""

    id: str = Field(description="The `webhook-id`.")
    outcome: Outcome = Field(
        description="delivered: answered with 2xx; logged: the product has no webhook, it waits in the log; refused: "
        "answered with 400, 410, 413 or 422; failed: nobody there, no valid certificate, too late, or another answer."
    )
    code: str | None = Field(description="What went wrong, as a machine word.")


class NothingSaid(Wire):
    """Nothing: a test event says only that webhooks arrive."""


class WebhookTestEvent(Wire):
    """Webhook `webhook.test`: somebody asked for it by `POST /webhook/test`. Answer 2xx."""

    type: Literal["webhook.test"]
    timestamp: Time
    data: NothingSaid


def to_page(page: LogPage) -> bytes:
    """The answer to `GET /events`: each event is the very body of its webhook, with two members more."""
    events = b",".join(_with_id(one) for one in page.events)
    return b'{"events":[%b],"next":"%d","whole":%b}' % (events, page.next, b"true" if page.whole else b"false")


def _with_id(one: LoggedEvent) -> bytes:
    more = orjson.dumps({"webhook-id": one.event.id, "delivered": not one.waits})
    return more[:-1] + b"," + one.event.body.lstrip()[1:]
