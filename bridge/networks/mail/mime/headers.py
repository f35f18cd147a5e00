"""The header of a mail, read from its bytes so that nothing in it can raise (RFC 5322, 2047, 2231). Pure."""

from __future__ import annotations

import calendar
import quopri
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_tz
from types import MappingProxyType

from bridge.errors import Refused
from bridge.networks.mail.mime.charsets import decode, known, one_line, readable
from bridge.networks.mail.mime.transfer import base64_bytes

MOST_VALUE = 64 * 1024  # bytes of one field that are read
MOST_IDS = 100
_NAME = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?\n]|\?(?!=)){0,1000})\?=")
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_PARAMETER = re.compile(r";\s*([^\s=;\"]{1,100})\s*=\s*(\"(?:[^\"\\]|\\.)*\"?|[^;]*)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_MSS = re.compile(r"x[-_]mss[-_][a-z0-9_-]{1,40}")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_ID = re.compile(r"<([^<>]{1,900})>")
_EARLIEST, _LATEST = 0, 4102444800  # 1970, 2100


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one header, in order, as raw bytes; every way to read them answers something."""

    fields: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    _named: Mapping[str, Sequence[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[str, list[bytes]] = {}
        for name, value in self.fields:
            named.setdefault(name, []).append(value)
        object.__setattr__(self, "_named", named)

    def all(self, name: str) -> list[str]:
        """Every value of that name (lower case) as raw text, unfolded but not decoded."""
        return [raw_text(value) for value in self._named.get(name, ())]

    def get(self, name: str) -> str:
        """The first value of that name (lower case) as raw text; empty if there is none."""
        values = self._named.get(name)
        return raw_text(values[0]) if values else ""

    def text(self, name: str) -> str:
        """The first value of that name for people: decoded, one line."""
        return one_line(words(self.get(name)))

    def count(self, name: str) -> int:
        """How often a field is there."""
        return len(self._named.get(name, ()))

    def mss(self) -> Mapping[str, str]:
        """The fields of MSSanté by their proper name (``X_MSS_INS`` is ``X-MSS-INS``), the first of each."""
        found: dict[str, str] = {}
        for name in self._named:
            if _MSS.fullmatch(name):
                found.setdefault(name.upper().replace("_", "-"), self.text(name)[:500])
        return MappingProxyType(found)


def parse_headers(raw: bytes, start: int, end: int, lines: int, size: int) -> tuple[Headers, int]:
    """The header that begins at ``start``, and where the body begins.

    A line that is no field ends the header, as an empty one does. Raises Refused (too_many_headers) after ``lines``
    lines or ``size`` bytes.
    """
    fields: list[list[bytes]] = []
    body = start
    for count, (line, after) in enumerate(_lines(raw, start, end)):
        if count >= lines or after - start > size:
            raise Refused("too_many_headers", "headers", about=f"{lines} lines, {size} bytes")
        if line[:1] in (b" ", b"\t") and fields:
            if line.strip():
                fields[-1].append(line)
        elif not line:
            return _headers(fields), after
        elif _NAME.match(line):
            fields.append([line])
        elif not (count == 0 and line.startswith((b"From ", b">From "))):
            return _headers(fields), body
        body = after
    return _headers(fields), body


def _lines(raw: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    while start < end:
        at = raw.find(b"\n", start, end)
        after = end if at < 0 else at + 1
        yield raw[start:after].rstrip(b"\r\n"), after
        start = after


def _headers(fields: list[list[bytes]]) -> Headers:
    split = [(lines[0].partition(b":"), lines[1:]) for lines in fields]
    return Headers(
        tuple((name.strip().lower().decode("ascii"), b"\n".join([value, *more])) for (name, _, value), more in split)
    )


def raw_text(value: bytes) -> str:
    """A field's bytes as text on one line: UTF-8, else cp1252 byte by byte; encoded words stay as they are."""
    if value.isascii() and len(value) <= MOST_VALUE and (plain := value.decode("ascii")).isprintable():
        return plain.strip()
    text, _ = decode(value[:MOST_VALUE])
    return readable(text).replace("\n", " ").strip()


def words(text: str) -> str:
    """The text with its encoded words (RFC 2047) decoded, also inside quotes or when split inside a character."""
    if "=?" not in text:
        return text
    text = _BETWEEN.sub(r"\1", text)
    out: list[str] = []
    waiting, label, at = b"", "", 0
    for match in _WORD.finditer(text):
        data = _word(match)
        if data is None:
            continue
        charset = match[1].partition("*")[0].lower()
        if waiting and (match.start() > at or charset != label):
            out.append(decode(waiting, label)[0])
            waiting = b""
        out.append(text[at : match.start()])
        waiting, label, at = waiting + data, charset, match.end()
    return "".join(out) + decode(waiting, label)[0] + text[at:]


def _word(match: re.Match[str]) -> bytes | None:
    content = match[3].encode("utf-8", "replace")
    if known(match[1].partition("*")[0]) is None:
        return None
    if match[2] in "qQ":
        return quopri.decodestring(content, header=True)
    return base64_bytes(content)


@dataclass(frozen=True, slots=True)
class Parameters:
    """A structured value (RFC 2045, 2183): ``value`` and names in lower case, values decoded (RFC 2231, 2047)."""

    value: str
    all: Mapping[str, str] = field(repr=False)

    def get(self, name: str) -> str:
        """A parameter, empty if there is none."""
        return self.all.get(name, "")


def parameters(text: str) -> Parameters:
    """Reads ``Content-Type`` and its like, tolerantly: spaces without quotes, encoded words, sections in any order."""
    text = text[:8192]
    value = text.partition(";")[0].split("(")[0].strip().lower()
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _PARAMETER.finditer(text[len(text.partition(";")[0]) :]):
        part = _SECTION.fullmatch(match[1].lower())
        if part is not None:
            one = (int(part[2] or 0), bool(part[3]), _unquoted(match[2]))
            sections.setdefault(part[1] + ("*" if part[2] or part[3] else ""), []).append(one)
    plain = {name: words(parts[0][2]) for name, parts in sections.items() if not name.endswith("*")}
    extended = {name[:-1]: _joined(parts) for name, parts in sections.items() if name.endswith("*")}
    return Parameters(value, MappingProxyType(plain | extended))


def _unquoted(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        inner = text[1:-1] if len(text) > 1 and text.endswith('"') and not text.endswith('\\"') else text[1:]
        # A path of Windows in quotes is no escape: only quotes and backslashes are.
        return re.sub(r'\\(["\\])', r"\1", inner)
    return text


def _joined(parts: list[tuple[int, bool, str]]) -> str:
    """RFC 2231: the sections in order, percent-decoded where marked, in the charset that the first one names."""
    parts = sorted(parts, key=lambda one: one[0])[:500]
    label, rest = "", parts[0][2]
    if parts[0][1] and rest.count("'") >= 2:
        label, _, rest = rest.split("'", 2)
    texts = [rest, *(text for _, _, text in parts[1:])]
    data = b"".join(
        _percent(text.encode("utf-8", "replace")) if marked else text.encode("utf-8", "replace")
        for (_, marked, _), text in zip(parts, texts, strict=True)
    )
    return words(decode(data, label)[0])


def _percent(data: bytes) -> bytes:
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), data)


def content_type(headers: Headers, default: str = "text/plain") -> Parameters:
    """``Content-Type``; ``default`` where it is missing (RFC 2045 §5.2), octets where it is broken."""
    raw = headers.get("content-type")
    found = parameters(raw)
    if not raw:
        return Parameters(default, found.all)
    if _TYPE.fullmatch(found.value):
        return found
    broken = "text/plain" if found.value in ("text", "plain", "") else "application/octet-stream"
    return Parameters(broken, found.all)


def message_ids(text: str) -> list[str]:
    """The message ids of a field, without angle brackets, in order, without repeats; the first and the last fifty."""
    found = [re.sub(r"\s+", "", one) for one in _ID.findall(text)]
    if not found and text and not re.search(r"[\s<>]", text) and "@" in text and len(text) <= 900:
        found = [text]
    unique = list(dict.fromkeys(one for one in found if one.isprintable()))
    return unique if len(unique) <= MOST_IDS else [*unique[: MOST_IDS // 2], *unique[-MOST_IDS // 2 :]]


def date(text: str) -> int | None:
    """A date of RFC 5322 as milliseconds since 1970; a missing zone is UTC; None if it is none before 2100."""
    try:
        parsed = parsedate_tz(text[:100])
        seconds = None if parsed is None else calendar.timegm((*parsed[:6], 0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds * 1000 if seconds is not None and _EARLIEST <= seconds < _LATEST else None


def urgent(headers: Headers) -> bool:
    """Whether a writer marked the mail as pressing, in any of the ways in which programs do (RFC 4021, 2156).

    ``X-Priority`` goes from 1 (highest) to 5; Thunderbird writes 2 for "high", all others 1.
    """
    grade = re.match(r"\s*([1-5])\b", headers.get("x-priority"))
    marks = {name: headers.get(name).strip().lower() for name in ("importance", "priority", "x-msmail-priority")}
    return (
        (grade is not None and grade[1] in "12")
        or marks["importance"] == "high"
        or marks["priority"] == "urgent"
        or marks["x-msmail-priority"] in ("high", "highest")
    )
