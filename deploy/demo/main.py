"""`make demo`: a story with an end, or a world to try one's own client or product against."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from deploy.demo.mail_story import MailStory
from deploy.demo.story import Story, tell
from deploy.demo.terminal import Teller
from deploy.world import synapse
from deploy.world.client import RustClient
from deploy.world.mail_space import ANNA
from deploy.world.postfix import PASSWORD
from deploy.world.state_directory import OPERATORS, InUse, StateDirectory
from deploy.world.world import World

_INTERRUPTED = 130
_PR_SET_PDEATHSIG = 1


def main(what: str, *, once: bool = False, state: Path | None = None) -> int:
    """Run the demo: ``what`` is ``story`` or ``up``; gives the exit status, 0 if all was seen that should be."""
    if not synapse.PYTHON.exists():
        print("demo: Synapse is missing: run `make setup`", file=sys.stderr)
        return 2
    _end_with_make()
    os.umask(0o077)  # of every process that starts here: keys, databases and logs are ours alone
    place = state or Path(tempfile.mkdtemp(prefix="liaison-demo-"))
    try:
        directory = StateDirectory(place)
    except InUse:
        print(f"demo: {place} is in use by another run", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"demo: {place}: {error.strerror}", file=sys.stderr)
        return 2
    teller = Teller()
    kept, how = directory.open(fresh=what == "story")
    teller.line(f"Liaison — {directory.path} ({how})")
    world = World(directory, kept, teller.note, mail=os.geteuid() == 0, national=True).with_console()
    if world.space is None:
        teller.line("Sans messagerie sécurisée : Postfix veut root — without secure mail: Postfix wants root")
    status = asyncio.run(_until_signal(_story(world, teller, once) if what == "story" else _up(world, teller)))
    thrown_away = state is None and status in (0, _INTERRUPTED)
    directory.release(remove=thrown_away)
    if not thrown_away and status:
        teller.line(f"Journaux — logs: {directory.path}/*.log, {directory.path}/*/*.log")
    return status


def _end_with_make() -> None:
    """A killed `make` cannot pass that on; a shell, however, may end before us: that is a way to the background."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{os.getppid()}/comm").read_text().strip() == "make":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Do the work, or as much of it as there is time for until SIGTERM, SIGINT or SIGHUP."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    asked = False

    def end() -> None:
        nonlocal asked
        if not asked:  # the second signal must not disturb the end
            asked = True
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    try:
        return await task
    except asyncio.CancelledError:
        return _INTERRUPTED
    except (RuntimeError, TimeoutError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


async def _up(world: World, teller: Teller) -> int:
    ready = False
    try:
        async with world:
            ready = True
            teller.title("Prêt", "Ready")
            teller.line(f"  {world.state / 'endpoints.json'}")
            for name, product in world.products.items():
                teller.line(f"  {name} (simulateur — simulator): {product.url}/")
                for address in _pages(world, name):
                    teller.line(f"    {address}")
            for line in _console(world):
                teller.line(line)
            if world.space is not None:
                teller.line(f"  messagerie sécurisée du hub — the hub's secure mail: 127.0.0.1:{world.space.port}")
            teller.line("  Ctrl-C ou SIGTERM pour tout arrêter — to stop everything")
            await world.watch()
    except asyncio.CancelledError:
        return 0 if ready else _INTERRUPTED
    return 0


async def _story(world: World, teller: Teller, once: bool) -> int:
    teller.title("Préparation", "Setting up")
    async with world:
        teller.note("le client Matrix chiffré de Ben — Ben's encrypted Matrix client (matrix-js-sdk, Rust)")
        ben = await RustClient.start(world.away.url, world.ben, world.kept.secrets.password)
        async with ben:
            teller.title("L'histoire", "The story")
            story = Story(world, ben)
            mail = MailStory(world, ben).steps() if world.space is not None else []
            seen = await tell([*story.steps(), *mail], teller)
            if seen and not once:
                _invite(world, story, teller)
                await _stay(world)
    return 0 if seen and mail else 1


async def _stay(world: World) -> None:
    try:
        await world.watch()
    except asyncio.CancelledError:
        return


def _invite(world: World, story: Story, teller: Teller) -> None:
    """How to take part now that the story is over."""
    body = json.dumps({"conversation": story.chat, "text": "Bonjour de la part de Cléo"}, ensure_ascii=False)
    teller.title("À vous", "Your turn")
    for line in (
        "Avec n'importe quel client Matrix — with any Matrix client:",
        f"  serveur — homeserver:           {world.away.url}",
        f"  utilisateur — user:             {world.ben}",
        f"  mot de passe — password:        {world.kept.secrets.password}",
        f"  clé de récupération — recovery: {story.ben.recovery_key}",
        "  (vérifiez l'appareil avec la clé de récupération — verify the device with the recovery key)",
        "  invitez dans un salon chiffré — invite into an encrypted room:",
        f"    {story.gael} (Gaël, Siilo)",
        "",
        "Écrire comme Cléo — write as Cleo:",
        f"  curl -H 'Content-Type: application/json' {story.pandalab.url}/users/cleo/messages -d {shlex.quote(body)}",
        *_as_anna(world),
        *_console(world),
        "Dans un navigateur — in a browser:",
        *(
            f"  {address}  ({name}, simulateur — simulator)"
            for name in world.products
            for address in _pages(world, name, 1)
        ),
        f"Tout le reste — everything else: {world.state / 'endpoints.json'}",
        "Ctrl-C pour finir — to end.",
    ):
        teller.line(line)


def _pages(world: World, product: str, most: int = 3) -> list[str]:
    """Where some of a product's users read and write."""
    return [f"{world.products[product].url}/u/{user}" for user in list(world.hub.users(product))[:most]]


def _console(world: World) -> list[str]:
    """Where an operator looks."""
    if world.operator is None:
        return []
    who = "ines agit, omar voit — ines acts, omar looks"
    return [f"  console de l'exploitant — the operator's console: {world.operator.url}/  ({who})"]


def _as_anna(world: World) -> list[str]:
    if world.space is None:
        return []
    operator = world.space.operators[OPERATORS[0]]
    return [
        "Écrire et lire comme Anna, de n'importe quel logiciel de messagerie — as Anna, with any mail program:",
        f"  SMTP 127.0.0.1:{operator.submission} (sans TLS — no TLS), IMAP 127.0.0.1:{operator.imaps} (TLS),",
        f"  {ANNA}, mot de passe — password: {PASSWORD}",
        f"  à — to: {world.space.box('Cléo Petit')}, {world.space.box('Ben Durand')}",
    ]
