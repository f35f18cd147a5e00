"""An infected file is refused to its writer by its name and the finding: to a product, and to who wrote a mail.

(To a Matrix user: tests/matrix/stories/test_real_contents.py.)
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import AsyncIterator, Iterator
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.content.clamd import Clamd
from bridge.content.scanning import Scanning
from bridge.hub.hub import Hub
from bridge.networks.mail.mime.report_reading import Dsn
from deploy.world import clamd as world
from tests.connect.make import message
from tests.connect.make import running as connect
from tests.mail.hub import ANNA, CLEO_BOX, PEER, Written
from tests.mail.hub import running as mail
from tests.mail.space import Space

pytestmark = pytest.mark.peers
FOUND = f"bilan.pdf ({world.EICAR_FINDING})"


@pytest_asyncio.fixture
async def clamd(tmp_path: Path) -> AsyncIterator[world.Clamd]:
    async with world.Clamd(tmp_path / "clamd") as started:
        yield started


def scan(hub: Hub, clamd: world.Clamd) -> None:
    """From now on the hub asks this clamd."""
    hub._store.shelf.filters.append(Scanning(Clamd(clamd.socket, 20)))


async def test_a_product_gets_a_problem_document(tmp_path: Path, clamd: world.Clamd) -> None:
    async with connect(tmp_path) as w:
        await w.declare()
        scan(w.hub, clamd)
        w.matrix._capabilities, w.matrix.files = w.connectors["siilo"].capabilities, w.hub._store.shelf
        content = base64.b64encode(world.EICAR).decode()
        file = {"name": "bilan.pdf", "type": "application/pdf", "content": content}
        status, problem = await w.call("POST", "/messages", message("m1", files=[file]))
        assert (status, problem["type"]) == (422, "urn:liaison:problem:infected")
        assert FOUND in problem["detail"]
        assert "antivirus" in problem["detail"]
        clean = file | {"content": base64.b64encode(b"%PDF-1.7").decode()}
        await clamd.stop()
        status, problem = await w.call("POST", "/messages", message("m2", files=[clean]))
        assert (status, problem["type"], w.headers["Retry-After"]) == (503, "urn:liaison:problem:unavailable", "5")
        await clamd.start()
        status, _ = await w.call("POST", "/messages", message("m2", files=[clean]))
        assert status == 202
        await w.until(lambda: len(w.matrix.delivered) == 1)
        assert [file.name for file in w.matrix.delivered[0].body.files] == ["bilan.pdf"]


@pytest.fixture
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


async def test_who_wrote_a_mail_gets_a_report(tmp_path: Path, space: Space, clamd: world.Clamd) -> None:
    written = message_from_bytes(Written("Voici le bilan", mid=f"m1@{PEER}").raw(), policy=SMTP)
    written.add_attachment(world.EICAR, maintype="application", subtype="pdf", filename="bilan.pdf")
    async with mail(tmp_path, space) as node:
        scan(node.hub, clamd)
        await node.hand_in(written.as_bytes(), CLEO_BOX)
        [(sender, recipients, report, _)] = await node.mailed()
        assert (sender, recipients) == ("", [ANNA])
        assert isinstance(report.report, Dsn)
        assert [(row.address, row.status) for row in report.report.recipients] == [(CLEO_BOX, "5.7.1")]
        assert FOUND in report.text
        assert "contient un virus" in report.text or "trouvé un virus" in report.text
        await node.rest()
        assert node.shown() == []
