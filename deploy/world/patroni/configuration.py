"""The files of a PostgreSQL cluster that loses nothing acknowledged when it loses a node (docs/failover.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One PostgreSQL server and the Patroni that watches over it. ``postgres``, ``rest`` are ports of ``host``."""

    name: str
    host: str
    postgres: int
    rest: int
    data: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: how soon a death is noticed. A silent primary is replaced ``ttl`` after its last sign of life."""

    ttl: int = 15  # Patroni wants loop_wait + 2 * retry_timeout at most
    loop_wait: int = 3
    retry_timeout: int = 5
    replica_silent: int = 5  # after that a replica that does not answer is no synchronous one any more
    check: float = 1.0  # between two looks of HAProxy


SENSIBLE = Timings()
QUICK = Timings(ttl=5, loop_wait=1, retry_timeout=2, replica_silent=2, check=0.2)


@dataclass(frozen=True, slots=True)
class Site:
    """What the nodes of one cluster have in common. ``trusted``: the addresses that may connect."""

    nodes: Sequence[Node]
    etcd: Sequence[str]  # host:port
    programs: str = "/usr/lib/postgresql/15/bin"
    timings: Timings = SENSIBLE
    trusted: str = "10.0.0.0/24"
    method: str = "scram-sha-256"
    passwords: Mapping[str, str] = field(default_factory=dict)  # of postgres, replicator and rewind
    settings: Mapping[str, Any] = field(default_factory=dict)  # more of PostgreSQL's
    sockets: str = "/var/run/postgresql"
    local: str = "peer"
    promoted: str = "/etc/patroni/promoted"  # the program of :func:`promoted`


def patroni(node: Node, site: Site) -> Json:
    """``patroni.yml`` of one node."""
    return {
        "scope": "liaison",
        "name": node.name,
        "restapi": {"listen": f"{node.host}:{node.rest}", "connect_address": f"{node.host}:{node.rest}"},
        "etcd3": {"hosts": list(site.etcd)},
        "bootstrap": {"dcs": _shared(site), "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"]},
        "postgresql": {
            "listen": f"{node.host}:{node.postgres}",
            "connect_address": f"{node.host}:{node.postgres}",
            "data_dir": node.data,
            "bin_dir": site.programs,
            "authentication": {
                "superuser": _account("postgres", site),
                "replication": _account("replicator", site),
                "rewind": _account("rewind", site),
            },
            "callbacks": {"on_role_change": f"{site.promoted} {node.postgres}"},
            "parameters": {"unix_socket_directories": site.sockets},
            "pg_hba": [f"local all all {site.local}"]
            + [f"host {what} all {site.trusted} {site.method}" for what in ("all", "replication")],
            "basebackup": [{"checkpoint": "fast"}],
            "remove_data_directory_on_diverged_timelines": True,
            "remove_data_directory_on_rewind_failure": True,
        },
    }


def promoted(site: Site) -> str:
    """What Patroni calls when a node becomes the primary: the log begins its next segment.

    A primary that dies while it writes a record over the end of a segment, as one does whose disk is full, leaves
    replicas that wait for the rest of that record at the beginning of the next segment. The new primary has none of it,
    and cannot come there: its commits wait for those replicas.
    """
    return f"""#!/bin/sh
case "$3" in master | primary) ;; *) exit 0 ;; esac
for try in 1 2 3 4 5 6 7 8 9 10; do
    {site.programs}/psql -h {site.sockets} -p "$1" -U postgres -d postgres -c 'SELECT pg_switch_wal()' && exit
    sleep 1
done
"""


def _account(name: str, site: Site) -> Json:
    return {"username": name} | ({"password": site.passwords[name]} if name in site.passwords else {})


def _shared(site: Site) -> Json:
    """What the cluster keeps in etcd (`patronictl edit-config` changes it later)."""
    timings = site.timings
    return {
        "ttl": timings.ttl,
        "loop_wait": timings.loop_wait,
        "retry_timeout": timings.retry_timeout,
        "synchronous_mode": True,
        "synchronous_mode_strict": True,
        "maximum_lag_on_failover": 1 << 30,  # the synchronous replica lacks nothing that was acknowledged
        "primary_start_timeout": 0,  # a primary that died is replaced, not waited for
        "postgresql": {
            "use_pg_rewind": True,
            "parameters": {
                "synchronous_commit": "on",
                "wal_log_hints": "on",
                "wal_sender_timeout": f"{timings.replica_silent}s",
                "wal_receiver_timeout": f"{timings.replica_silent}s",
                "wal_retrieve_retry_interval": f"{timings.loop_wait}s",
                "tcp_user_timeout": f"{2 * timings.replica_silent}s",
                "max_connections": 200,
                **site.settings,
            },
        },
    }


def haproxy(nodes: Sequence[Node], host: str, port: int, timings: Timings = SENSIBLE, extra: str = "") -> str:
    """``haproxy.cfg``: the primary of the moment, and nobody else, at ``host:port``; ``extra`` for ``global``."""
    every = round(timings.check * 1000)
    servers = "\n".join(f"    server {node.name} {node.host}:{node.postgres} check port {node.rest}" for node in nodes)
    return f"""global
    maxconn 2000{extra}

defaults
    mode tcp
    timeout connect 2s
    timeout check 2s
    timeout client 1h
    timeout server 1h

listen primary
    bind {host}:{port}
    option clitcpka
    option srvtcpka
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter {every}ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def etcd(name: str, host: str, ports: tuple[int, int], members: Mapping[str, str], data: str) -> Json:
    """etcd's file. ``ports`` for clients and for the others; ``members``: the addresses of all by name."""
    clients, peers = (f"http://{host}:{port}" for port in ports)
    return {
        "name": name,
        "data-dir": data,
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": ",".join(f"{member}={url}" for member, url in members.items()),
        "initial-cluster-token": "liaison",
        "enable-grpc-gateway": True,  # which Patroni speaks to; from a file it is off by default
    }


# The site of docs/failover.md: three machines, each with etcd, Patroni and PostgreSQL; HAProxy beside every hub.
_MACHINES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
EXAMPLE = Site(
    [Node(f"node{n}", host, 5432, 8008, "/var/lib/postgresql/15/liaison") for n, host in enumerate(_MACHINES, 1)],
    [f"{host}:2379" for host in _MACHINES],
    passwords={name: f"the password of {name}" for name in ("postgres", "replicator", "rewind")},
)


def example() -> dict[str, str | Json]:
    """The files of its first machine by name, as the page shows them."""
    members = {f"node{n}": f"http://{host}:2380" for n, host in enumerate(_MACHINES, 1)}
    return {
        "etcd.yml": etcd("node1", _MACHINES[0], (2379, 2380), members, "/var/lib/etcd/liaison"),
        "patroni.yml": patroni(EXAMPLE.nodes[0], EXAMPLE),
        "promoted": promoted(EXAMPLE),
        "haproxy.cfg": haproxy(EXAMPLE.nodes, "127.0.0.1", 5000),
    }
