"""`GET /metrics` for Prometheus: what happens and what waits, by network; nobody and nothing that was said.

Each worker has its own. Counters and what a worker knows by itself add up over workers; a gauge whose help says that it
is of the whole hub is read from the database, and every worker gives the same figure.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from appservice.operating.overview import Overview, SealStand, Stand
from bridge.hub.handing.counting import BOUNDS, Counters, Times
from bridge.hub.operating.waiting import MOST

PATH = "/metrics"
_HUB = "(of the whole hub, alike at every worker)"


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
        body = exposed(await self._standing.now(), self._standing.counts) + generate_latest(self._process)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_1_0_0})


def exposed(stand: Stand, counts: Counters) -> bytes:
    """What Prometheus reads of the hub itself."""
    now = CollectorRegistry(auto_describe=False)
    now.register(_Now([*_of_hub(stand), *_of_worker(stand), *_counted(counts)]))
    return generate_latest(now)


class _Now(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def describe(self) -> Iterable[Metric]:
        """Its registry need not ask for more."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What there is now."""
        return self._metrics


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"liaison_{name}", about, labels=labels)


def _of_hub(stand: Stand) -> Iterator[Metric]:
    """From the database, alike at each worker: take the max over them, never the sum. Without it: nothing."""
    if not stand.known:
        return
    waiting = _gauge("deliveries_waiting", f"Deliveries that wait, up to {MOST} {_HUB}", "network")
    oldest = _gauge("oldest_waiting_seconds", f"How long the oldest delivery has waited {_HUB}", "network")
    untold = _gauge("reports_waiting", f"Writers to be told what became of a message, up to {MOST} {_HUB}", "network")
    late = _gauge("legs_late", f"Conversations that wait longer than delivery.late, up to {MOST} {_HUB}", "network")
    for one in stand.traffic:
        waiting.add_metric([one.network], one.waiting)
        oldest.add_metric([one.network], _age(one.oldest))
        untold.add_metric([one.network], one.reports)
        late.add_metric([one.network], one.late)
    yield from (waiting, oldest, untold, late)
    yield GaugeMetricFamily("liaison_deliveries_held", f"Wait for their place, up to {MOST} {_HUB}", stand.held)
    if stand.workers:
        yield GaugeMetricFamily("liaison_workers", f"Processes, those that stand by, too {_HUB}", len(stand.workers))
        differ = sum(1 for one in stand.workers if one.differs)
        about = f"Processes whose configuration is another than that of the one that works {_HUB}"
        yield GaugeMetricFamily("liaison_workers_differing", about, differ)
    yield from _edges(stand)
    if stand.seal is not None:
        yield from _sealed(stand.seal)


def _sealed(seal: SealStand) -> Iterator[Metric]:
    figures = {
        "columns_left": (seal.left, f"Sealed columns that another key of the seal may still be needed for {_HUB}"),
        "rows_seen": (seal.seen, f"Rows looked at since the active key of the seal became active {_HUB}"),
        "rows_changed": (seal.changed, f"Rows of them that were sealed anew {_HUB}"),
        "rows_kept": (seal.kept, f"Rows of them that do not open and keep their old seal {_HUB}"),
    }
    for name, (value, about) in figures.items():
        yield GaugeMetricFamily(f"liaison_seal_{name}", about, value)
    times = {"began": (seal.began_at, "began"), "worked": (seal.worked_at, "was last seen to go on")}
    for name, (at, what) in times.items():
        if at:
            about = f"When sealing anew {what} {_HUB}"
            yield GaugeMetricFamily(f"liaison_seal_{name}_timestamp_seconds", about, at / 1000)


def _edges(stand: Stand) -> Iterator[Metric]:
    inside = _gauge("edge_waiting", f"What waits within a network's edge, up to {MOST} {_HUB}", "network", "queue")
    oldest = _gauge("edge_oldest_seconds", f"How long the oldest of it has waited {_HUB}", "network", "queue")
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for one in stand.queues:
        n, age = found.get((one.network, one.name), (0, 0.0))
        found[one.network, one.name] = n + one.waiting, max(age, _age(one.oldest))
    for labels, (n, age) in sorted(found.items()):
        inside.add_metric(labels, n)
        oldest.add_metric(labels, age)
    yield from (inside, oldest)


def _of_worker(stand: Stand) -> Iterator[Metric]:
    up = _gauge("network_up", "1: the network answers this worker, as far as was tried", "network")
    for one in stand.traffic:
        up.add_metric([one.network], float(one.up))
    yield up
    ready = "0: nobody is reached by this worker, as GET /ready says"
    yield GaugeMetricFamily("liaison_ready", ready, float(not stand.trouble))
    works = "0: the database fails for this worker"
    yield GaugeMetricFamily("liaison_database_up", works, float(stand.database))
    alarms = CounterMetricFamily("liaison_alarms", "Lines of this worker's log that begin with ALARM", labels=["part"])
    for part, n in sorted(stand.alarms.items()):
        alarms.add_metric([part], n)
    yield alarms
    yield from _around(stand)
    build = _gauge("build_info", "Which version runs", "version")
    build.add_metric([stand.version], 1)
    yield build


def _around(stand: Stand) -> Iterator[Metric]:
    if (listed := stand.federation) is not None:
        about = "When the federation's list ends"
        yield GaugeMetricFamily("liaison_federation_list_expires_timestamp_seconds", about, listed.expires)
        yield GaugeMetricFamily("liaison_federation_list_domains", "Domains of the federation's list", listed.domains)
    confirmed = _gauge("list_confirmed_timestamp_seconds", "When a list's source last said that it holds", "list")
    old = _gauge("list_old", "1: the list was not renewed for too long, or refused", "list")
    for one in stand.lists:
        confirmed.add_metric([one.name], one.confirmed)
        old.add_metric([one.name], float(one.old))
    ends = _gauge("certificate_expires_timestamp_seconds", "When a certificate ends; 0: it cannot be read", "option")
    for option, at in sorted(stand.certificates.items()):
        ends.add_metric([option], at)
    free = _gauge("disk_free_bytes", "What the hub may still write", "folder")
    size = _gauge("disk_size_bytes", "Of the disk of a folder", "folder")
    for disk in stand.disks:
        free.add_metric([disk.path], disk.free)
        size.add_metric([disk.path], disk.size)
    yield from (confirmed, old, ends, free, size)


def _age(since: int | None) -> float:
    return 0.0 if since is None else max(0.0, time.time() - since / 1000)


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
