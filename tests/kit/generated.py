"""A product on a client that a stock generator made of the contract: ``python generated.py FOLDER URL TOKEN``.

It declares a user, uploads a file, sends it, waits for one, and prints what it got. It imports nothing of the project.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any


def main(folder: str, url: str, token: str) -> None:
    """Everything by calls of the generated client."""
    sys.path.insert(0, folder)
    client = importlib.import_module("made").AuthenticatedClient(base_url=url, token=token)

    def api(name: str) -> Any:
        return importlib.import_module(f"made.api.{name}")

    models: Any = importlib.import_module("made.models")
    file: Any = importlib.import_module("made.types").File
    api("users.declare").sync(client=client, id="cleo", body=models.Vouch(rpps="10001002027"))
    api("capabilities.declare_abilities").sync(client=client, body=models.Abilities(files_by_url=True))
    named = client.with_headers({"Content-Disposition": "attachment; filename*=UTF-8''bilan%20%C3%A9.txt"})
    uploaded = api("files.upload").sync(client=named, body=file(payload=io.BytesIO(b"Bilan normal.\n")))
    sent = api("messages.send").sync(client=client, body=models.NewMessage.from_dict({
        "id": "g-1", "conversation": "g", "sender": "cleo", "to": ["rpps:10001001014"], "text": "Le bilan",
        "files": [{"id": uploaded.id}], "sent_at": datetime.now(UTC).isoformat(),
    }))  # fmt: skip
    came = _came(api("events.events"), client)
    content = api("files.file").sync(client=client, id=came["id"])
    print(json.dumps({"state": str(sent.state), "came": came, "content": content.payload.read().decode()}))


def _came(events: Any, client: Any) -> dict[str, Any]:
    """The first file of a new message in the log; it is asked for half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for event in events.sync(client=client, after="0", wait=1).to_dict()["events"]:
            if event["type"] == "message.created" and event["data"]["files"]:
                found: dict[str, Any] = event["data"]["files"][0]
                return found
        time.sleep(0.2)
    raise SystemExit("nothing came")


if __name__ == "__main__":
    main(*sys.argv[1:])
