"""What a product answers to a webhook: its own name for what it took. Pure."""

from __future__ import annotations

from pydantic import ValidationError

from bridge.networks.connect.wire import Taken


def name_of(answer: bytes) -> str | None:
    """The product's own id in its answer, if it gave a valid one."""
    if not answer:
        return None
    try:
        return Taken.model_validate_json(answer).id
    except ValidationError:
        return None
