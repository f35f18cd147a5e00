"""`liaison conversation`: a conversation given out, as files that verify and open in a browser."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from appservice.operating.asking import ask, at, login
from appservice.operating.audit import signing_key
from appservice.operating.traced import conversation_lines, unknown
from appservice.rights.page import compose_page
from bridge.config import BadConfig, Config, read_config
from bridge.errors import Refused, said
from bridge.hub.hub import now_ms
from bridge.signatures import BadSignature, PrivateKey, PublicKey, read_public, sign, verified
from bridge.words import speaking

TYPE = "liaison-export+jws"
_MANIFEST = "manifest.json"
_SIGNATURE = "manifest.jws"

Json = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    commands = parser.add_subparsers(required=True, metavar="what")
    show = commands.add_parser("show", help="its legs, members, newest messages and their states, what waits: no text")
    show.add_argument("id", help="c_…, a room, a product's chat, or a message of it")
    show.set_defaults(what=_show)
    export = commands.add_parser(
        "export", help="write it into a new folder: JSON as Element has it, a page, a signature"
    )
    export.add_argument("id", help="c_…, as `liaison who` and `liaison trace` show it")
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    export.set_defaults(what=_export)
    keep = commands.add_parser("keep", help="keep it for ever, or for another time than retention.conversations says")
    keep.add_argument("id")
    keep.add_argument("--days", type=int, help="after its last message (default: for ever)")
    keep.add_argument("--as-others", action="store_true", help="as retention.conversations says again")
    keep.set_defaults(what=_keep)
    purge = commands.add_parser("purge", help="end it now: all that the hub knows of it goes, the audit trail stays")
    purge.add_argument("id")
    purge.set_defaults(what=_purge)
    verify = commands.add_parser("verify", help="whether an export is as it was signed (needs no hub)")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--key", type=Path, nargs="+", required=True, metavar="FILE", help="public keys (PEM)")
    verify.set_defaults(what=_verify)


async def main(asked: argparse.Namespace) -> int:
    """Do it. Raises BadConfig, Unavailable (no hub answers)."""
    try:
        return int(await asked.what(asked))
    except Refused as refused:
        print(f"{refused.code}: {refused.about}", file=sys.stderr)
    except BadSignature as bad:
        print(bad, file=sys.stderr)
    except (OSError, ValueError) as error:
        print(said(error), file=sys.stderr)
    return 1


async def _show(asked: argparse.Namespace) -> int:
    try:
        found = await ask(read_config(asked.config), "conversation-show", {"name": asked.id})
    except Refused as refused:
        print(f"{refused.code}: {unknown(asked.id)}", file=sys.stderr)
        return 1
    for line in conversation_lines(found):
        print(line)
    return 0


async def _export(asked: argparse.Namespace) -> int:
    config = read_config(asked.config)
    manifest = await export(config, asked.id, asked.to)
    print(f"{asked.to}: {manifest['messages']} events, {len(manifest['unreadable'])} of them unreadable")
    return 0


async def _keep(asked: argparse.Namespace) -> int:
    seconds = None if asked.days is None else 86_400 * asked.days
    said = {"id": asked.id, "by": login(), "seconds": seconds, "as_others": asked.as_others}
    await ask(read_config(asked.config), "conversation-keep", said)
    return 0


async def _purge(asked: argparse.Namespace) -> int:
    await ask(read_config(asked.config), "conversation-purge", {"id": asked.id, "by": login()})
    return 0


async def export(config: Config, conversation: str, folder: Path, person: str | None = None) -> Json:
    """Write a conversation of the running hub into a new folder; gives the manifest.

    Raises BadConfig, Refused, Unavailable, OSError (the folder is there).
    """
    key = signing_key(config)
    if key is None:
        raise BadConfig("audit.key_file: is missing: an export is signed")
    about = await ask(config, "conversation", {"id": conversation, "by": login(), "person": person})
    events, names = await _read(config, about["rooms"])
    made = at(now_ms())
    whole = {
        "room_name": about["name"] or conversation, "room_creator": _creator(events), "topic": "", "export_date": made,
        "exported_by": login(), "messages": events,
    }  # fmt: skip
    with speaking(config.language):
        page = compose_page(about, events, names, made)
    files = {"export.json": orjson.dumps(whole, option=orjson.OPT_INDENT_2), "index.html": page.encode()}
    lost = [
        {"event_id": e["event_id"], "sender": e["sender"], "at": e["origin_server_ts"], "why": e["unreadable"]}
        for e in events
        if "unreadable" in e
    ]
    manifest = {"conversation": about["id"], "made": made, "messages": len(events), "unreadable": lost}
    return write(folder, files, manifest, key)


async def _read(config: Config, rooms: Sequence[str]) -> tuple[list[Json], dict[str, str]]:
    """All events of its rooms, the oldest first, and what their senders are called."""
    found, names = list[list[Json]](), dict[str, str]()
    for room in rooms:
        events = list[Json]()
        token: str | None = ""
        while token is not None:
            page = await ask(config, "conversation-page", {"room": room, "from": token})
            events += page["events"]
            names |= page["names"]
            token = page["end"]
        found.append(events[::-1])
    found.sort(key=lambda events: int(events[0]["origin_server_ts"]) if events else 0)  # rooms that were upgraded
    return [event for events in found for event in events], names


def _creator(events: Sequence[Json]) -> str:
    return next((str(event["sender"]) for event in events if event["type"] == "m.room.create"), "")


def write(folder: Path, files: dict[str, bytes], manifest: Json, key: PrivateKey) -> Json:
    """The files into a new folder, with a manifest of their SHA-256 and its signature. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True)
    for name, data in files.items():
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o600)
    manifest = manifest | {"files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    payload = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    (folder / _MANIFEST).write_bytes(payload)
    (folder / _SIGNATURE).write_bytes(sign(payload, key, TYPE))
    return manifest


async def _verify(asked: argparse.Namespace) -> int:
    keys = [read_public(path.read_bytes()) for path in asked.key]
    problems = verify_folder(asked.folder, keys)
    for problem in problems:
        print(problem)
    if not problems:
        print("every file is as it was signed")
    return int(bool(problems))


def verify_folder(folder: Path, keys: Sequence[PublicKey]) -> list[str]:
    """What is not as it was signed. Raises BadSignature, OSError."""
    payload = verified((folder / _SIGNATURE).read_bytes(), keys, TYPE)
    if payload != (folder / _MANIFEST).read_bytes():
        return [f"{_MANIFEST}: is not what was signed"]
    files = orjson.loads(payload)["files"]
    there = {path.name for path in folder.iterdir() if path.is_file()} - {_MANIFEST, _SIGNATURE}
    found = [f"{name}: does not belong to the export" for name in sorted(there - set(files))]
    for name, digest in sorted(files.items()):
        if name not in there:
            found.append(f"{name}: is missing")
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            found.append(f"{name}: was changed")
    return found
