"""`GET /metrics` for Prometheus: what happens and what waits, by network; nobody and nothing that was said."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from appservice.operating.overview import Overview, Stand
from bridge.errors import Unavailable
from bridge.hub.handing.counting import BOUNDS, Counters, Times

PATH = "/metrics"


class Metrics:
    """``network`` is the only label that comes from a configuration; the others are fixed words."""

    def __init__(self, standing: Overview) -> None:
        self._standing = standing
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_get(PATH, self._asked)

    async def _asked(self, request: web.Request) -> web.Response:
        try:
            stand = await self._standing.now()
        except Unavailable:
            return web.Response(status=503)
        now = CollectorRegistry(auto_describe=False)
        now.register(_Now([*_stands(stand), *_counted(self._standing.counts)]))
        body = generate_latest(now) + generate_latest(self._process)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_1_0_0})


class _Now(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def describe(self) -> Iterable[Metric]:
        """Its registry need not ask for more."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What there is now."""
        return self._metrics


def _stands(stand: Stand) -> Iterator[Metric]:
    by = ["network"]
    up = GaugeMetricFamily("liaison_network_up", "1: the network answers, as far as was tried", labels=by)
    waiting = GaugeMetricFamily("liaison_deliveries_waiting", "Deliveries that wait, up to 10000", labels=by)
    oldest = GaugeMetricFamily("liaison_oldest_waiting_seconds", "How long the oldest has waited", labels=by)
    untold = GaugeMetricFamily("liaison_reports_waiting", "Writers to be told, up to 10000", labels=by)
    for one in stand.traffic:
        up.add_metric([one.network], float(one.up))
        waiting.add_metric([one.network], one.waiting)
        since = 0.0 if one.oldest is None else time.time() - one.oldest / 1000
        oldest.add_metric([one.network], max(0.0, since))
        untold.add_metric([one.network], one.reports)
    yield from (up, waiting, oldest, untold)
    yield GaugeMetricFamily("liaison_deliveries_held", "Wait for their place, up to 10000", stand.held)
    yield GaugeMetricFamily("liaison_ready", "0: nobody is reached, as GET /ready says", float(not stand.trouble))
    alarms = CounterMetricFamily("liaison_alarms", "Lines of the log that begin with ALARM", labels=["part"])
    for part, n in sorted(stand.alarms.items()):
        alarms.add_metric([part], n)
    yield alarms
    if (listed := stand.federation) is not None:
        about = "When the federation's list ends"
        yield GaugeMetricFamily("liaison_federation_list_expires_timestamp_seconds", about, listed.expires)
        yield GaugeMetricFamily("liaison_federation_list_domains", "Domains of the federation's list", listed.domains)
    build = GaugeMetricFamily("liaison_build_info", "Which version runs", labels=["version"])
    build.add_metric([stand.version], 1)
    yield build


def _counted(counts: Counters) -> Iterator[Metric]:
    accepted = CounterMetricFamily("liaison_messages_accepted", "By the network they came from", labels=["network"])
    for network, n in sorted(counts.accepted.items()):
        accepted.add_metric([network], n)
    labels = ["network", "reason"]
    refused = CounterMetricFamily("liaison_messages_refused", "By the network, and what was said", labels=labels)
    for (network, reason), n in sorted(counts.refused.items()):
        refused.add_metric([network, reason], n)
    labels = ["network", "result"]
    handed = CounterMetricFamily("liaison_deliveries", "Attempts, by the network that they went to", labels=labels)
    for (network, result), n in sorted(counts.handed.items()):
        handed.add_metric([network, result], n)
    about = "From acceptance to the network that has it"
    times = HistogramMetricFamily("liaison_delivery_seconds", about, labels=["network"])
    for network, some in sorted(counts.times.items()):
        times.add_metric([network], _buckets(some), some.total)
    yield from (accepted, refused, handed, times)


def _buckets(times: Times) -> list[tuple[str, float]]:
    found, below = [], 0
    for bound, n in zip([*map(str, BOUNDS), "+Inf"], times.classes, strict=True):
        below += n
        found.append((bound, float(below)))
    return found
