"""The contract as a page for people: made from the document, whole in itself, without a script. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import Any

from bridge.networks.connect.contract.openapi import document

Json = dict[str, Any]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:70rem;color:#1b1f24;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}h3{margin-top:2rem}code,pre{font-family:ui-monospace,monospace}
pre{background:#f6f8fa;padding:.8rem;overflow-x:auto}table{border-collapse:collapse;width:100%;display:block;
overflow-x:auto}
td,th{border:1px solid #d0d7de;padding:.3rem .6rem;text-align:left;vertical-align:top}
nav li{display:inline-block;margin-right:1rem}
.method{font-weight:700}a:focus,summary:focus{outline:3px solid #0969da}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}a{color:#58a6ff}}
"""
_FILE = {"type": "file"}
_INTRO = (
    "<p lang='fr'>L'API ouverte par laquelle un produit de messagerie participe à Liaison. Cette page est faite du "
    "contrat (<a href='/connect/v1/openapi.json'>OpenAPI 3.1</a>) ; ses exemples sont exécutés par les tests.</p>"
    "<p>The open API by which a chat product takes part in Liaison. This page is made from the contract "
    "(<a href='/connect/v1/openapi.json'>OpenAPI 3.1</a>); its examples are executed by the tests.</p>"
)


@cache
def written_page() -> bytes:
    """The page in HTML; made once, since every hub of a process serves the same."""
    return "\n".join(_page(document())).encode()


def _page(contract: Json) -> Iterator[str]:
    info = contract["info"]
    yield "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
    yield "<meta name='viewport' content='width=device-width,initial-scale=1'>"
    yield f"<title>{escape(info['title'])} {info['version']}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>{_INTRO}"
    tags = dict.fromkeys(o["tags"][0] for _, _, o in _operations(contract))
    links = [*tags, "webhooks", "schemas"]
    yield "<nav><ul>" + "".join(f"<li><a href='#{one}'>{one}</a></li>" for one in links) + "</ul></nav><main>"
    yield from (f"<p>{_text(part)}</p>" for part in info["description"].split("\n\n"))
    for tag in tags:
        yield f"<h2 id='{tag}'>{tag}</h2>"
        for method, path, operation in _operations(contract):
            if operation["tags"][0] == tag:
                yield from _operation(method, path, operation)
    yield "<h2 id='webhooks'>webhooks</h2>"
    for name, item in contract["webhooks"].items():
        yield from _webhook(name, item["post"])
    yield "<h2 id='schemas'>schemas</h2>"
    for name, schema in contract["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield "</main></body></html>"


def _operations(contract: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _text(text: str) -> str:
    """Prose with `code`, *, ** and links of the document's own kind."""
    said = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", said)


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    ended = " (deprecated)" if operation.get("deprecated") else ""
    head = f"<span class='method'>{method}</span> <code>{escape(path)}</code>{ended}"
    yield f"<h3 id='{operation['operationId']}'>{head}</h3>"
    yield f"<p>{_text(operation['summary'])}</p>"
    if operation["description"] != operation["summary"] and "`" + method not in operation["description"]:
        yield f"<p>{_text(operation['description'])}</p>"
    yield from _table(
        ("in", "name", "", ""),
        [
            (one["in"], one["name"], _kind(one["schema"]), _text(one.get("description", "")))
            for one in operation.get("parameters", ())
        ],
    )
    if (body := operation.get("requestBody")) is not None:
        yield f"<p>Body: {_kind(_content(body).get('schema', _FILE))}</p>"
        yield from _example(_content(body))
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            content = _content(answer)
            yield f"<p>{status}: {_kind(content.get('schema', _FILE)) if content else 'nothing'}</p>"
            yield from _example(content)
    refusals = [(s, _text(a["description"])) for s, a in operation["responses"].items() if not s.startswith("2")]
    yield "<details><summary>Refusals</summary>"
    yield from _table(("status", ""), refusals)
    yield "</details>"


def _content(part: Json) -> Json:
    return next(iter(part.get("content", {}).values()), {})


def _example(content: Json) -> Iterator[str]:
    if content.get("example") is not None:
        example = content["example"]
        text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
        yield f"<pre tabindex='0'>{escape(text)}</pre>"


def _webhook(name: str, operation: Json) -> Iterator[str]:
    yield f"<h3 id='{escape(name)}'><code>{escape(name)}</code></h3><p>{_text(operation['summary'])}</p>"
    yield f"<p>Body: {_kind(_content(operation['requestBody'])['schema'])}</p>"
    if content := _content(operation["responses"]["2XX"]):
        yield f"<p>Answer: {_kind(content['schema'])}</p>"


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f"<h3 id='schema-{name}'>{name}</h3><p>{_text(schema.get('description', ''))}</p>"
    needed = set(schema.get("required", ()))
    yield from _table(
        ("", "", "", ""),
        [
            (field, _kind(one), "required" if field in needed else "", _text(one.get("description", "")))
            for field, one in schema.get("properties", {}).items()
        ],
    )


def _kind(schema: Json) -> str:
    """A schema in few words; what is described elsewhere is linked."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#schema-{name}'>{name}</a>"
    if "enum" in schema or "const" in schema:
        return " | ".join(
            f"<code>{escape(json.dumps(one))}</code>" for one in schema.get("enum", [schema.get("const")])
        )
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "anything"))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield "<table>" + (f"<tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr>" if any(heads) else "")
        yield from ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        yield "</table>"
