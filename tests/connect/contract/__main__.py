"""Has a hub answer the examples of the contract, and writes the answers down: ``python -m tests.connect.contract``."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from bridge.networks.connect.contract.examples import PLACE
from tests.connect.contract.story import play, world


def _shown(value: Any) -> Any:
    """No secret that a hub has made is shown."""
    text = json.dumps(value, ensure_ascii=False)
    text = re.sub(r"liaison_[A-Za-z0-9_-]{20,}", "liaison_" + "x" * 43, text)
    return json.loads(re.sub(r"whsec_[A-Za-z0-9+/=]{20,}", "whsec_" + "QUJD" * 11, text))


async def _record() -> None:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as w:
            async for given, status, answer in play(w):
                assert status < 300, (given.operation, answer)
                said = {
                    "operation": given.operation,
                    "id": given.id,
                    "person": given.person,
                    "query": given.query,
                    "body": given.body,
                }
                said |= {"raw": given.raw, "headers": given.headers}
                kept = {name: value for name, value in said.items() if value not in (None, {}) or name == "body"}
                if given.body is None:
                    del kept["body"]
                if answer is not None:
                    kept["answer"] = _shown(answer)
                lines.append(json.dumps(kept, ensure_ascii=False))
    PLACE.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(_record())
