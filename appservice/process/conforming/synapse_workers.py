"""Pure: Synapse as several processes, for a large site: who writes what, who serves which call.

Sources: Synapse's manual, "Scaling synapse via workers", and ``synapse/config/workers.py``.
"""

from __future__ import annotations

from typing import Any

from appservice.process.conforming.choices import Site

Settings = dict[str, Any]
REDIS = "/run/synapse/redis.sock"
_MAIN = 9093  # replication of the main process
_WRITER = "stream-writer-1"
_STREAMS = ("typing", "to_device", "account_data", "receipts", "presence", "push_rules", "device_lists")
_CLIENT = "^/_matrix/client/(api/v1|r0|v1|v3|unstable)/"


def _served(*paths: str) -> str:
    return f"{_CLIENT}({'|'.join(paths)})"


WRITES = _served(
    "rooms/[^/]+/(typing|receipt|read_markers)", "sendToDevice/", "user/[^/]+/(.*/)?(tags|account_data)", "presence/",
    "pushrules/", "keys/(upload|device_signing/upload|signatures/upload)", "(delete_)?devices(/|$)",
)  # fmt: skip
"""Paths that the writer of the streams serves."""

READS = _served(
    "(sync|events|initialSync)$", "rooms/", "(join|knock|profile)/", "(joined_rooms|createRoom|search|login)$",
    "user/[^/]+/filter", "keys/(query|changes|claim)", "room_keys/", "account/(3pid|whoami)$", "capabilities$",
    "voip/turnServer$", "user_directory/search$",
)  # fmt: skip
"""Paths that a reader of clients serves (it also takes what they write in rooms)."""

FEDERATION = "^/_matrix/(federation/|key/v2/query)"
"""Paths that the reader of the federation serves."""


def readers(site: Site) -> list[str]:
    """The processes that serve clients."""
    return [f"client-reader-{n}" for n in range(1, site.workers + 1)]


def persisters(site: Site) -> list[str]:
    """The processes that write events: one for two that read."""
    return [f"event-persister-{n}" for n in range(1, (site.workers + 1) // 2 + 1)]


def senders(site: Site) -> list[str]:
    """The processes that send to other servers."""
    return [f"federation-sender-{n}" for n in range(1, (site.workers + 1) // 2 + 1)]


def all_of(site: Site) -> list[str]:
    """Every process beside the main one."""
    if not site.workers:
        return []
    return [*readers(site), *persisters(site), *senders(site), "federation-reader-1", _WRITER, "background-1"]


def port(site: Site, name: str) -> int:
    """Where a process serves calls."""
    return site.synapse_port + 75 + all_of(site).index(name)


def replication(site: Site, name: str) -> int:
    """Where the other processes reach one."""
    return _MAIN + 1 + all_of(site).index(name)


def listeners(site: Site) -> list[Settings]:
    """What the main process needs beside its own listener."""
    if not site.workers:
        return []
    return [_replication(_MAIN)]


def _replication(number: int) -> Settings:
    shown: Settings = {"port": number, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"]}
    return shown | {"resources": [{"names": ["replication"]}]}


def shared(site: Site, secret: str) -> tuple[str, Settings]:
    """What all processes read: where each is, and who writes what."""
    called = [*persisters(site), _WRITER]
    places = {name: {"host": "127.0.0.1", "port": replication(site, name)} for name in called}
    return (
        "Several processes: each stream has its writer, the others hear of it by way of Redis.",
        {
            "redis": {"enabled": True, "path": site.path(REDIS)},
            "worker_replication_secret_path": secret,
            "instance_map": {"main": {"host": "127.0.0.1", "port": _MAIN}, **places},
            "stream_writers": {"events": persisters(site), **dict.fromkeys(_STREAMS, _WRITER)},
            "federation_sender_instances": senders(site),
            "run_background_tasks_on": "background-1",
            "update_user_directory_from_worker": "background-1",
            "pusher_instances": ["background-1"],
        },
    )


def worker(site: Site, name: str, log: str) -> Settings:
    """The file of one process."""
    listening = []
    if name in (*readers(site), "federation-reader-1", _WRITER):
        own: Settings = {"port": port(site, name), "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"]}
        listening.append(own | {"x_forwarded": True, "resources": [{"names": ["client", "federation"]}]})
    if name in (*persisters(site), _WRITER):
        listening.append(_replication(replication(site, name)))
    return {
        "worker_app": "synapse.app.generic_worker",
        "worker_name": name,
        "worker_log_config": log,
        **({"worker_listeners": listening} if listening else {}),
    }
