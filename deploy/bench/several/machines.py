"""Machines of one hub, each with a worker: network namespaces of this machine, silent once their cable goes.

Everything else stays outside, and is reached at the bridge's address through HAProxy; HAProxy is also what stands
before the workers. Needs root and Linux: see :func:`can`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from deploy.bench.hub import Setup
from deploy.bench.product import Product
from deploy.world import process
from deploy.world.synapse import ROOT


def can() -> bool:
    """Whether this machine lets us make others."""
    name = f"lt{secrets.token_hex(3)}"
    if os.geteuid() or not (shutil.which("ip") and shutil.which("haproxy")):
        return False
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if made.returncode == 0:
        _ip(f"netns del {name}")
    return made.returncode == 0


@dataclass
class Machine:
    """One, with its address; ``run`` starts a worker on it."""

    name: str
    address: str
    cable: str
    config: Path
    log: Path
    python: str
    worker: subprocess.Popen[bytes] | None = field(default=None)

    def run(self) -> None:
        """Start its worker."""
        command = ["ip", "netns", "exec", self.name, self.python, "-m", "appservice", "run", "-c", str(self.config)]
        self.worker = process.spawn(command, process.Launch(log=self.log, cwd=ROOT))

    def silent(self) -> None:
        """Nothing reaches it or comes from it any more; nobody is told."""
        _ip(f"link set {self.cable} down")

    async def anew(self) -> None:
        """It comes back, as after a power cut."""
        await self.end()
        _ip(f"link set {self.cable} up")
        self.run()

    async def end(self) -> None:
        """End its worker."""
        if self.worker is not None:
            self.worker.kill()
            await process.end(self.worker)
            self.worker = None


@asynccontextmanager
async def machines(setup: Setup, product: Product, count: int, python: str) -> AsyncIterator[list[Machine]]:
    """So many, and HAProxy at the hub's ports before them. Their workers do not run yet."""
    word = secrets.token_hex(2)
    net = f"10.{200 + int(word[:2], 16) % 50}.{int(word[2:], 16)}"
    bridge, made = f"ltb{word}", list[Machine]()
    proxy: subprocess.Popen[bytes] | None = None
    try:
        _ip(f"link add {bridge} type bridge")
        _ip(f"addr add {net}.1/24 dev {bridge}")
        _ip(f"link set {bridge} up")
        for n in range(1, count + 1):
            made.append(_machine(setup, product, word, n, net, python))
        config = setup.folder / "haproxy.cfg"
        config.write_text(_haproxy(setup, product, net, [one.address for one in made]))
        log = process.Launch(log=setup.folder / "haproxy.log")
        proxy = process.spawn(["haproxy", "-db", "-f", str(config)], log)
        yield made
    finally:
        for machine in made:
            await machine.end()
            _ip(f"netns del {machine.name}")
        if proxy is not None:
            await process.end(proxy)
        _ip(f"link del {bridge}")


def _machine(setup: Setup, product: Product, word: str, n: int, net: str, python: str) -> Machine:
    name, cable, address = f"lt{word}{n}", f"ltc{word}{n}", f"{net}.{n + 1}"
    _ip(f"netns add {name}")
    _ip(f"link add {cable} type veth peer name eth0 netns {name}")
    _ip(f"link set {cable} master ltb{word} up")
    for line in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
        _ip(f"-n {name} {line}")
    config = yaml.safe_load(setup.configured(product))
    config["database"]["url"] = str(setup.database).replace("127.0.0.1", f"{net}.1")
    config["matrix"]["homeserver"] = setup.homeserver.replace("127.0.0.1", f"{net}.1")
    for one in config["networks"]["connect"]["products"].values():
        one["webhook_url"] = one["webhook_url"].replace("127.0.0.1", f"{net}.1")
        one["webhook_plain_http"] = True
    config["workers"] = {"host": address}
    for listen in ("matrix_listen", "connect_listen"):
        config[listen]["host"] = address
    path = setup.folder / f"hub{n}.yaml"
    path.write_text(yaml.safe_dump(config))
    return Machine(name, address, cable, path, setup.folder / f"hub{n}.log", python)


def _haproxy(setup: Setup, product: Product, net: str, workers: Sequence[str]) -> str:
    """Outwards what the workers call; inwards both of the hub's ports. A machine that is gone is seen in a second."""
    outside = [urlsplit(url).port for url in (str(setup.database), setup.homeserver, product.url)]
    text = """
defaults
    mode tcp
    timeout connect 1s
    timeout check 500ms
    timeout client 1h
    timeout server 1h
    retries 3
    option redispatch 1
"""
    for port in outside:
        text += f"\nlisten to{port}\n    bind {net}.1:{port}\n    server one 127.0.0.1:{port}\n"
    for port in (setup.port, setup.connect):
        text += f"\nlisten from{port}\n    bind 127.0.0.1:{port}\n"
        text += "    default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n"
        text += "".join(f"    server m{n} {host}:{port}\n" for n, host in enumerate(workers))
    return text


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)
