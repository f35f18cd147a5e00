"""A message's way as a trace of OpenTelemetry: accept, deliver, report, by ids and codes, told by OTLP over HTTP.

The trace's id is made of the message's, so every step finds it by itself: after a restart, at another worker, days
later. No text, no name, no address is in a span; nothing of it is passed on to products or to the homeserver, whose
logs are not ours. The libraries are an extra (``pip install liaison-hub[traces]``) and loaded only where this is on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from bridge.config import BadConfig, TracesSettings
from bridge.parts.lru import Lru

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_OPEN = 10_000  # steps that have begun and not ended


class FollowedMessages:
    """See :class:`bridge.hub.handing.spans.Spans`. ``share`` of the messages are followed, each of them whole."""

    def __init__(self, processor: SpanProcessor, share: float) -> None:
        from opentelemetry.sdk.resources import Resource

        self._processor = processor
        self._bound = int(share * 2**64)
        self._begun: Lru[str, int] = Lru(_OPEN)
        self._resource = Resource({"service.name": "liaison"})

    def begin(self, step: str) -> None:
        """See :class:`bridge.hub.handing.spans.Spans`."""
        self._begun.put(step, time.time_ns())

    def end(self, step: str, what: str, message: str, about: Mapping[str, str | int]) -> None:
        """See :class:`bridge.hub.handing.spans.Spans`."""
        now = time.time_ns()
        begun = self._begun.peek(step) or now
        self._begun.drop(step)
        digest = sha256(message.encode()).digest()
        if int.from_bytes(digest[24:]) < self._bound:
            self._export(digest, what, message, about, (begun, now))

    def _export(
        self, digest: bytes, what: str, message: str, about: Mapping[str, str | int], times: tuple[int, int]
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, TraceFlags

        trace, root = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
        flags = TraceFlags(TraceFlags.SAMPLED)
        first = what == "accept"
        own = root if first else int.from_bytes(sha256(f"{what} {message} {times}".encode()).digest()[:8])
        self._processor.on_end(ReadableSpan(
            what, SpanContext(trace, own, False, flags), None if first else SpanContext(trace, root, False, flags),
            self._resource, {"liaison.message": message, **{f"liaison.{name}": value for name, value in about.items()}},
            start_time=times[0], end_time=times[1],
        ))  # fmt: skip

    def close(self) -> None:
        """Send what is left; it may take a while. Called in a thread of its own."""
        self._processor.shutdown()


def following(settings: TracesSettings | None) -> FollowedMessages | None:
    """As the configuration wants it. Raises BadConfig."""
    if settings is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise BadConfig("traces: the libraries are missing: pip install 'liaison-hub[traces]'") from None
    return FollowedMessages(BatchSpanProcessor(OTLPSpanExporter(settings.url)), settings.share)
