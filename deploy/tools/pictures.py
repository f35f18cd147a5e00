"""Make the pictures of the console in docs/pictures: `.venv/bin/python -m deploy.tools.pictures`.

The demo's world runs, people write, one product and one operator of secure mail go away, and a real browser looks.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from deploy.world.client import SCRIPT, node
from deploy.world.product import ProductClient
from deploy.world.state_directory import StateDirectory
from deploy.world.synapse import ROOT
from deploy.world.waiting import wait_for
from deploy.world.world import World

FOLDER = ROOT / "docs/pictures"
_COLOURS = 64  # of a picture; a page has few
PICTURES: tuple[dict[str, Any], ...] = (
    {"file": "console-overview.png", "path": "/", "language": "fr-FR", "width": 1100, "height": 620, "scheme": "light"},
    {"file": "console-message.png", "path": "/message/{message}", "language": "en-GB", "width": 1100, "height": 620,
     "scheme": "light"},
    {"file": "console-phone.png", "path": "/", "language": "fr-FR", "width": 360, "height": 620, "scheme": "dark"},
)  # fmt: skip


async def _traffic(world: World) -> None:
    """Some messages arrive; then Siilo is away, and what is written to it waits."""
    pandalab, siilo = world.products["pandalab"], world.products["siilo"]
    text = "Bonjour, le compte rendu est prêt."
    first = await pandalab.write("cleo", text, to=[f"rpps:{world.hub.users('siilo')['dan']}"])
    await siilo.wait_text("dan", text)
    await world.simulators["siilo"].stop()
    for n in range(3):
        await pandalab.write("cleo", f"Message {n}", conversation=first["conversation"])
    gael = f"rpps:{world.hub.users('siilo')['gael']}"
    last = await pandalab.write("cleo", "Êtes-vous disponible demain ?", to=[gael])
    await _accepted(pandalab, last["id"])


async def _accepted(product: ProductClient, message: str) -> None:
    async def known() -> bool:
        return (await product.message(message)).get("state") not in (None, "sending")

    await wait_for(known, "the message is in the hub's hands")
    await asyncio.sleep(5)  # until the hub has tried it a few times


async def main() -> None:
    """All pictures, small."""
    browser = shutil.which("chromium")
    assert browser, "Chromium is missing: run `make setup`"
    state = StateDirectory(Path(tempfile.mkdtemp(prefix="liaison-pictures-")))
    kept, _ = state.open(fresh=True)
    FOLDER.mkdir(exist_ok=True)
    try:
        async with World(state, kept, print, mail=os.geteuid() == 0, national=True).with_console() as world:
            assert world.operator is not None
            await _traffic(world)
            pictures = [one | {"file": str(FOLDER / one["file"])} for one in PICTURES]
            told = {"url": world.operator.url, "browser": browser, "who": "ines", "pictures": pictures}
            command = [str(node()), str(SCRIPT.parent / "pictures.mjs"), json.dumps(told)]
            run = await asyncio.create_subprocess_exec(*command, cwd=SCRIPT.parent)
            assert await run.wait() == 0
    finally:
        state.release(remove=True)
    for one in PICTURES:
        with Image.open(FOLDER / one["file"]) as picture:
            picture.convert("RGB").quantize(_COLOURS).save(FOLDER / one["file"], optimize=True)
        print(one["file"], (FOLDER / one["file"]).stat().st_size)


if __name__ == "__main__":
    asyncio.run(main())
