"""An export as a page that any browser opens: no script, nothing from outside, every word of people escaped. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from bridge.words import sentence

Json = dict[str, Any]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2733}
h1{font-size:1.4rem}h2{font-size:1rem;border-bottom:1px solid #cdd5df;margin-top:2rem}p{margin:.2rem 0}
article{margin:.8rem 0}time,.quiet{color:#5b6775;font-size:.85rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}
.lost{background:#fff3d6;padding:.2rem .5rem}"""
_MEMBERSHIPS = {"join": "export_joined", "leave": "export_left", "ban": "export_left", "invite": "export_invited"}


def _say(code: str) -> str:
    return escape(sentence(code, " / "))


def compose_page(about: Json, events: Sequence[Json], names: Mapping[str, str], made: str) -> str:
    """``events``: the oldest first, in clear; ``names`` of their senders; ``made``: when."""
    edits = _edits(events)
    lost = sum("unreadable" in event for event in events)
    title = escape(about["name"] or sentence("export_title", " / "))
    members = ", ".join(escape(member["name"]) for member in about["members"])
    head = [
        "<!doctype html>", '<html lang="fr"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>", f"<h1>{title}</h1>",
        f'<p class="quiet">{_say("export_made")} {escape(made)}</p>', f"<p>{_say('export_members')} : {members}</p>",
    ]  # fmt: skip
    if lost:
        head.append(f'<p class="lost">{_say("export_lost")} : {lost}</p>')
    body, day = list[str](), ""
    for event in events:
        shown = _shown(event, edits)
        if not shown:
            continue
        at = datetime.fromtimestamp(int(event.get("origin_server_ts", 0)) / 1000, UTC)
        if (today := at.strftime("%Y-%m-%d")) != day:
            day = today
            body.append(f"<h2>{day}</h2>")
        who = escape(names.get(event["sender"], event["sender"]))
        body.append(f"<article><p><strong>{who}</strong> <time>{at:%H:%M} UTC</time></p>{shown}</article>")
    return "\n".join([*head, *body, f'<p class="quiet">{_say("export_check")}</p>', "</body></html>", ""])


def _edits(events: Sequence[Json]) -> dict[str, str]:
    """The last text of what was edited, by the event that it is about."""
    found = {}
    for event in events:
        relation = event["content"].get("m.relates_to")
        if isinstance(relation, dict) and relation.get("rel_type") == "m.replace":
            found[str(relation.get("event_id"))] = str(event["content"].get("m.new_content", {}).get("body", ""))
    return found


def _shown(event: Json, edits: Mapping[str, str]) -> str:
    """The lines of an event; empty for what nobody reads."""
    kind, content = event["type"], event["content"]
    if "unreadable" in event:
        return f'<p class="lost">{_say("export_unreadable")} ({escape(event["unreadable"])})</p>'
    if event.get("redacted"):
        return f'<p class="quiet">{_say("export_removed")}</p>'
    if kind == "m.room.member":
        code = _MEMBERSHIPS.get(str(content.get("membership")))
        return f'<p class="quiet">{escape(str(event.get("state_key")))} {_say(code)}</p>' if code else ""
    if kind == "m.reaction":
        return f'<p class="quiet">{_say("export_reaction")} {escape(str(_relation(content).get("key", "")))}</p>'
    if kind not in ("m.room.message", "m.sticker") or _relation(content).get("rel_type") == "m.replace":
        return ""
    return _message(event["event_id"], content, edits)


def _message(ident: str, content: Json, edits: Mapping[str, str]) -> str:
    text = edits.get(ident, str(content.get("body", "")))
    edited = f' <span class="quiet">({_say("export_edited")})</span>' if ident in edits else ""
    if "url" in content or "file" in content:
        return f'<p class="quiet">{_say("export_file")} {escape(str(content.get("filename") or text))}</p>'
    return f'<p class="text">{escape(text)}{edited}</p>'


def _relation(content: Json) -> Json:
    relation = content.get("m.relates_to")
    return relation if isinstance(relation, dict) else {}
