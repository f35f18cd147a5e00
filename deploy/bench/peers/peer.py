"""Starts the bridge of mautrix-python in the place of a hub: the same world, the same messages, the same measure."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from deploy.bench.hub import Hub, Setup
from deploy.bench.product import Product
from deploy.world import process
from deploy.world.synapse import ROOT

Json = dict[str, Any]
_STARTING = 60.0  # s
_ENVIRONMENT = ROOT / ".venv-peer"
_NEEDS = Path(__file__).with_name("requirements.txt")


@asynccontextmanager
async def peer(setup: Setup, product: Product) -> AsyncIterator[Hub]:
    """Start it, and wait until it takes work; see :func:`deploy.bench.hub.hub`."""
    setup.folder.mkdir(parents=True, exist_ok=True)
    config, log = setup.folder / "peer.yaml", setup.folder / "hub.log"
    config.write_text(yaml.safe_dump(_configuration(setup, product)))
    python = await asyncio.to_thread(environment)
    command: list[str | Path] = [python, "-m", "deploy.bench.peers.bridge", "-n", "-c", config]
    running = process.spawn(command, process.Launch(log=log, cwd=ROOT))
    try:
        await _listening(setup.connect, log)
        product.hub = f"http://127.0.0.1:{setup.connect}/connect/v1"
        yield Hub(setup, running.pid)
    finally:
        await process.end(running)


def environment() -> Path:
    """The peer's own Python with what it needs, pinned; made at the first use. Raises CalledProcessError."""
    python, stamp = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / ".stamp"
    wanted = _NEEDS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, _ENVIRONMENT], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", python, "-r", _NEEDS], check=True)
        stamp.write_text(wanted)
    return python


async def _listening(port: int, log: Path) -> None:
    try:
        async with asyncio.timeout(_STARTING):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    return writer.close()
    except TimeoutError:
        raise RuntimeError(f"the peer did not start:\n{log.read_text()[-3000:]}") from None


def _configuration(setup: Setup, product: Product) -> Json:
    """What its bridges are delivered with, where it matters: encryption in the way of application services."""
    database = setup.database or f"sqlite:{setup.folder}/peer.db"
    return {
        "homeserver": {
            "address": setup.homeserver, "domain": setup.server_name, "verify_ssl": True, "http_retry_count": 4,
            "connection_limit": 100, "status_endpoint": None, "message_send_checkpoint_endpoint": None,
            "async_media": False, "software": "standard",
        },
        "appservice": {
            "address": f"http://127.0.0.1:{setup.port}", "hostname": "127.0.0.1", "port": setup.port,
            "max_body_size": 16, "tls_cert": False, "tls_key": False, "database": database,
            "database_opts": {"min_size": 1, "max_size": 10}, "id": "liaison", "bot_username": "rpps_bot",
            "bot_displayname": "", "bot_avatar": "", "as_token": setup.as_token, "hs_token": setup.hs_token,
            "ephemeral_events": True,
        },
        "bridge": {
            "username_template": "rpps_{userid}",
            "command_prefix": "!bench",
            "encryption": {
                "allow": True, "default": True, "require": True, "appservice": True, "msc4190": True,
                "self_sign": False, "allow_key_sharing": True,
                "delete_keys": dict.fromkeys(_DELETED, False),
                "verification_levels": {"receive": "unverified", "send": "unverified", "share": "cross-signed-tofu"},
                "rotation": {
                    "enable_custom": False, "milliseconds": 604_800_000, "messages": 100,
                    "disable_device_change_key_rotation": False,
                },
            },
            "relay": {"enabled": False, "message_formats": {}},
            "management_room_text": dict.fromkeys(("welcome", "welcome_connected", "welcome_unconnected"), ""),
            "management_room_multiple_messages": False,
        },
        "network": {"port": setup.connect, "webhook": product.url},
        "manhole": {"enabled": False, "path": "", "whitelist": []},
        "logging": {"version": 1, "root": {"level": "WARNING"}},
    }  # fmt: skip


_DELETED = (
    "delete_outbound_on_ack", "dont_store_outbound", "ratchet_on_decrypt", "delete_fully_used_on_decrypt",
    "delete_prev_on_new_session", "delete_on_device_delete", "periodically_delete_expired", "delete_outdated_inbound",
)  # fmt: skip
