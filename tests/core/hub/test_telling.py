"""Reports that cannot be read or told: everybody else's are told, and the hub goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.errors import Unavailable
from bridge.model import Report
from bridge.networks.loopback import Loopback
from tests.core.make import networks, running

DAN, CLEO = "siilo:dan", "pandalab:cleo"


class Picky(Loopback):
    """Takes no report of some messages, and fails in a way that nobody expects."""

    bad: frozenset[str] = frozenset()

    async def report(self, reports: Sequence[Report]) -> None:
        if any(one.ref.id in self.bad for one in reports):
            raise KeyError("secret words")
        await super().report(reports)


def told(net: Loopback) -> set[str]:
    """The messages of which its senders have heard."""
    return {report.ref.id for report in net.told}


async def test_reports_that_cannot_be_read_end_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(url) as w:
        reports, broken = w.store.outcomes.reports, iter([KeyError("secret words"), Unavailable("db"), ValueError()])

        async def sometimes(network: str, now: int) -> Any:
            if network == "pandalab":
                for error in broken:
                    raise error
            return await reports(network, now)

        monkeypatch.setattr(w.store.outcomes, "reports", sometimes)
        await w.pandalab.write("p1", "A", "cleo", "x", [DAN])
        await w.siilo.write("s1", "B", "dan", "y", [CLEO])
        await w.until(lambda: told(w.siilo) == {"s1"} and told(w.pandalab) == {"p1"})
        assert next(broken, None) is None  # all three have happened
        await w.pandalab.write("p2", "A", "cleo", "z")  # the courier is there still
        await w.until(lambda: told(w.pandalab) == {"p1", "p2"})
    assert "reports for pandalab cannot be told: KeyError" in caplog.text
    assert "secret" not in caplog.text


async def test_one_report_that_cannot_be_told_costs_the_others_nothing(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    nets = networks()
    nets["pandalab"] = picky = Picky("pandalab")
    picky.bad = frozenset({"p3"})
    async with running(url, nets) as w:
        for n in range(6):
            await w.pandalab.write(f"p{n}", "A", "cleo", "x", [DAN] if n == 0 else [])
        await w.until(lambda: told(picky) == {"p0", "p1", "p2", "p4", "p5"})
        await w.until(lambda: "cannot be told" in caplog.text)
        picky.bad = frozenset()
        await w.pandalab.write("p6", "A", "cleo", "x")
        await w.until(lambda: "p6" in told(picky))
        assert "p3" not in told(picky)  # dropped, and the log names it
    assert "secret" not in caplog.text
