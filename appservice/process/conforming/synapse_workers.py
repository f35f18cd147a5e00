"""Pure: Synapse as several processes, for a large site: who writes what, who serves which call.

Sources: Synapse's manual, "Scaling synapse via workers", and ``synapse/config/workers.py``.
"""

from __future__ import annotations

from typing import Any

from appservice.process.conforming.choices import Site

Settings = dict[str, Any]
REDIS = "/run/synapse/redis.sock"
_WRITER = "stream-writer-1"
HUB = "hub-1"
_STREAMS = ("typing", "to_device", "account_data", "receipts", "presence", "push_rules", "device_lists")
_CLIENT = "^/_matrix/client/(api/v1|r0|v1|v3|unstable)/"


def _served(*paths: str) -> str:
    return f"{_CLIENT}({'|'.join(paths)})"


MAIN = f"{_served('rooms/[^/]+/(upgrade|forget|report)(/|$)')}|^/_matrix/federation/v1/(send/|openid/)"
"""Paths that the main process alone serves, though they look like those below.

What other servers send is among them: the main process joins rooms for all, and what comes for a room while it is being
joined waits in its memory. Another process would throw it away, though the other server was told that it has arrived.
"""

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

OF_THE_HUB = f"{READS}|{_served('register$', 'appservice/[^/]+/ping$')}"
"""Paths that the process of the hub serves, for the hub.

It is the one that sends the hub its transactions. So nothing that they tell of is unknown to it when the hub asks:
another process may be behind, would answer that there is no new key, and nobody rings twice. A ping has to reach it,
too: the process that is pinged is the one that tries again what it could not send.
"""

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
    return [*readers(site), *persisters(site), *senders(site), "federation-reader-1", _WRITER, "background-1", HUB]


def port(site: Site, name: str) -> int:
    """Where a process serves calls."""
    if name == "main":
        return site.synapse_port
    return site.synapse_port + 75 + all_of(site).index(name)


def replication(site: Site, name: str) -> int:
    """Where the other processes reach one: from 9093 on, as Synapse's manual has it, for a Synapse at 8008."""
    return site.synapse_port + 1085 + ["main", *all_of(site)].index(name)


def listeners(site: Site) -> list[Settings]:
    """What the main process needs beside its own listener."""
    if not site.workers:
        return []
    return [_replication(replication(site, "main"))]


def _replication(number: int) -> Settings:
    shown: Settings = {"port": number, "type": "http", "tls": False, "bind_addresses": ["127.0.0.1"]}
    return shown | {"resources": [{"names": ["replication"]}]}


def shared(site: Site, secret: str) -> tuple[str, Settings]:
    """What all processes read: where each is, and who writes what."""
    called = [*persisters(site), _WRITER]
    places = {name: {"host": "127.0.0.1", "port": replication(site, name)} for name in ["main", *called]}
    return (
        "Several processes: each stream has its writer, the others hear of it by way of Redis.",
        {
            "redis": {"enabled": True, "path": site.path(REDIS)},
            "worker_replication_secret_path": secret,
            "instance_map": places,
            "stream_writers": {"events": persisters(site), **dict.fromkeys(_STREAMS, _WRITER)},
            "federation_sender_instances": senders(site),
            "run_background_tasks_on": "background-1",
            "update_user_directory_from_worker": "background-1",
            "pusher_instances": ["background-1"],
            "notify_appservices_from_worker": HUB,
        },
    )


def worker(site: Site, name: str, log: str) -> Settings:
    """The file of one process."""
    listening = []
    if name in (*readers(site), "federation-reader-1", _WRITER, HUB):
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
