"""A message's way as one trace, at a real receiver of OTLP: accepted, tried, delivered, told; ids and codes only."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bridge.errors import Refused
from deploy.world.ports import free_port
from tests.connect.make import serve
from tests.matrix.make import DAN
from tests.matrix.operating.rules import ROOT
from tests.matrix.operating.test_alerts import shows
from tests.matrix.operating.test_troubles import Product
from tests.matrix.operating.whole_hub import site

SECRET = "le patient du lit 12"


class Receiver:
    """Takes what the exporter posts, as a collector does."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw = b""

    async def asked(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            assert {one.key: one.value.string_value for one in resource.resource.attributes} == {
                "service.name": "liaison"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")


def about(span: Span) -> dict[str, str]:
    """The attributes."""
    return {one.key: one.value.string_value or str(one.value.int_value) for one in span.attributes}


async def test_a_messages_way_is_one_trace(tmp_path: Path) -> None:
    receiver, product, app, port = Receiver(), Product(), web.Application(), free_port()
    product.routes(app)
    app.router.add_post("/v1/traces", receiver.asked)
    runner = await serve(app, port)
    product.status = 503
    async with site(tmp_path, f"http://127.0.0.1:{port}/", traces={"url": f"http://127.0.0.1:{port}/v1/traces"}) as hub:
        message = await hub.say("p1", SECRET, to=f"rpps:{DAN}")
        await shows(hub, "liaison_deliveries_total", 1, network="siilo", result="later")
        product.status = 200
        hub.parts.core.courier.retry("siilo")
        await shows(hub, "liaison_deliveries_total", 1, network="siilo", result="sent")
        other = await hub.say("p2", SECRET, to=f"rpps:{DAN}")
        try:
            await hub.say("p3", SECRET, by="stranger")
        except Refused as refused:
            code = refused.code
        await shows(hub, "liaison_deliveries_total", 2, network="siilo", result="sent")
    await runner.cleanup()
    mine = [span for span in receiver.spans if about(span)["liaison.message"] == message]
    assert len({span.trace_id for span in mine}) == 1
    assert {span.trace_id for span in mine} != {
        s.trace_id for s in receiver.spans if about(s)["liaison.message"] == other
    }
    [root] = [span for span in mine if span.name == "accept"]
    assert (root.parent_span_id, about(root)["liaison.result"], about(root)["liaison.network"]) == (
        b"",
        "accepted",
        "pandalab",
    )
    tries = [span for span in mine if span.name == "deliver"]
    results = [about(span)["liaison.result"] for span in sorted(tries, key=lambda one: one.start_time_unix_nano)]
    assert (results[0], results[-1]) == ("product_answered_503", "sent")
    assert len({about(span)["liaison.delivery"] for span in tries}) == 1
    assert all(span.parent_span_id == root.span_id for span in mine if span is not root)
    assert "told" in {about(span)["liaison.result"] for span in mine if span.name == "report"}
    assert all(root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in mine)
    assert code in {about(span)["liaison.result"] for span in receiver.spans if span.name == "accept"}
    hidden = SECRET, "Cléo", "Dan Moreau", "cleo", "dan", "rpps:"
    assert not [word for word in hidden if word.encode() in receiver.raw]


def test_nothing_is_loaded_without_the_section() -> None:
    """The libraries cost a tenth of a second, and some are not there: only functions import them."""
    files = [path for room in ("appservice", "bridge", "liaison") for path in (ROOT / room).rglob("*.py")]
    loads = re.compile(r"^(from|import) opentelemetry", re.M)
    assert [path for path in files if loads.search(path.read_text("utf-8"))] == []
