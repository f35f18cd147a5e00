"""A mail taken apart into its parts (RFC 2045, 2046) as slices of its own bytes, bounded in depth and number. Pure.

The standard library's parser builds what it reads again when asked for a forwarded mail's bytes, walks every line once
per level, and may raise from any header; here a part knows where it stands in the mail, so that what is handed on is
what came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bridge.errors import Refused
from bridge.networks.mail.mime.file_names import quoted_printable, uudecode
from bridge.networks.mail.mime.headers import Headers, Parameters, content_type, parameters, parse_headers
from bridge.networks.mail.mime.transfer import unbase64

_WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]")
_REMARK = 400  # bytes: what programs write for readers that know no MIME is shorter
_FALSE_ENDS = 2000  # lines that begin like a boundary and are none


@dataclass(frozen=True, slots=True)
class MailLimits:
    """What a mail may be; beyond it is refused (``too_big``, ``too_deep``, ``too_many_parts``, ``too_many_headers``).

    ``text`` and ``html`` (characters) are no reason to refuse: the readable body is cut, the mail itself stays whole.
    ``bare_newlines``: whether a mail may have line ends other than CR LF (RFC 5321 §2.3.8; SMTP smuggling).
    """

    size: int = 40 * 1024 * 1024  # bytes
    depth: int = 20
    parts: int = 500
    header_lines: int = 2000  # of one part
    header_size: int = 512 * 1024  # bytes, of one part
    boxes: int = 1000  # in one field
    text: int = 400_000
    html: int = 2_000_000
    bare_newlines: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header, its type, and its body as a slice of the mail; ``parts`` if it is a multipart."""

    headers: Headers = field(repr=False)
    type: Parameters
    raw: bytes = field(repr=False)
    start: int
    end: int
    parts: tuple[Part, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()

    @property
    def mime(self) -> str:
        """The media type, lower case, without parameters."""
        return self.type.value

    @property
    def body(self) -> bytes:
        """The body as it came, not decoded."""
        return self.raw[self.start : self.end]

    @property
    def disposition(self) -> Parameters:
        """``Content-Disposition`` (RFC 2183); its value is empty if there is none."""
        return parameters(self.headers.get("content-disposition"))

    @property
    def encoding(self) -> str:
        """``Content-Transfer-Encoding``, lower case."""
        return self.headers.get("content-transfer-encoding").partition(";")[0].strip().lower()

    @property
    def data(self) -> bytes:
        """The body decoded from its transfer encoding; what is broken in it is skipped; never raises."""
        return self.decoded()[0]

    def decoded(self) -> tuple[bytes, str]:
        """The same, and what was odd: a code, empty for nothing."""
        encoding = self.encoding
        if encoding == "base64":
            return unbase64(self.body, self.mime.startswith("text/"))
        if encoding == "quoted-printable":
            return quoted_printable(self.body), ""
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            return uudecode(self.body), "uuencoded"  # what stands around it is left out
        return self.body, ""

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(slots=True)
class _Reader:
    raw: bytes
    limits: MailLimits
    count: int = 0
    false_ends: int = 0

    def part(self, start: int, end: int, depth: int, default: str) -> Part:
        self.count += 1
        if self.count > self.limits.parts:
            raise Refused("too_many_parts", "body", about=str(self.limits.parts))
        if depth > self.limits.depth:
            raise Refused("too_deep", "body", about=str(self.limits.depth))
        headers, body = parse_headers(self.raw, start, end, self.limits.header_lines, self.limits.header_size)
        kind = content_type(headers, default)
        odd = self.odd(headers, kind, start, body)
        if not kind.value.startswith("multipart/"):
            return Part(headers, kind, self.raw, body, end, (), odd)
        found = self.multipart(headers, kind, (body, end), depth)
        return replace(found, problems=(*found.problems, *odd)) if odd else found

    def odd(self, headers: Headers, kind: Parameters, start: int, body: int) -> tuple[str, ...]:
        """What may hide a part of the mail: a header that ends without an empty line, a type that is none."""
        ended = not headers.fields or body == len(self.raw) or self.raw[start:body].endswith((b"\n\r\n", b"\n\n"))
        written = parameters(headers.get("content-type")).value
        return (*(() if ended else ("odd_header",)), *(("odd_type",) if written and written != kind.value else ()))

    def multipart(self, headers: Headers, kind: Parameters, span: tuple[int, int], depth: int) -> Part:
        start, end = span
        boundary = kind.get("boundary").rstrip().encode("utf-8", "replace")
        spans, last = self.spans(boundary, start, end) if 0 < len(boundary) <= 200 else ([], -1)
        if not spans:
            # Without parts it is text, as the standard library and most clients have it.
            return Part(headers, Parameters("text/plain", kind.all), self.raw, start, end, (), ("no_boundary",))
        default = "message/rfc822" if kind.value == "multipart/digest" else "text/plain"
        parts = tuple(self.part(first, last, depth + 1, default) for first, last in spans)
        around = "text_around" if self.says(start, spans[0][0], boundary) or self.says(last, end) else ""
        odd = ("no_last_boundary",) if last < 0 else ()
        return Part(headers, kind, self.raw, start, end, parts, (*odd, around) if around else odd)

    def says(self, start: int, end: int, boundary: bytes = b"") -> bool:
        """Whether something is written before the parts, or after them, that is not only about MIME."""
        said = self.raw[start:end].removesuffix(b"\n").removesuffix(b"\r").removesuffix(b"--" + boundary)
        return start >= 0 and _WORD.search(said) is not None and (len(said) > _REMARK or b"MIME" not in said.upper())

    def spans(self, boundary: bytes, start: int, end: int) -> tuple[list[tuple[int, int]], int]:
        """Where the parts stand, and where the text after the last boundary begins; -1: none (RFC 2046, 5.1.1)."""
        found: list[tuple[int, int]] = []
        opened = -1
        for at, after, last in self.delimiters(b"--" + boundary, start, end):
            if opened >= 0:
                found.append((opened, max(opened, self.before(at, start))))
            if last:
                return found, after
            if len(found) > self.limits.parts:
                raise Refused("too_many_parts", "body", about=str(self.limits.parts))
            opened = after
        if opened >= 0:
            found.append((opened, end))
        return found, -1

    def delimiters(self, mark: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Each delimiter line: where it begins, where the next line begins, and whether it is the last one."""
        at = start if self.raw.startswith(mark, start, end) else self.next(mark, start, end)
        while at >= 0:
            newline = self.raw.find(b"\n", at, min(end, at + len(mark) + 200))
            after = newline + 1 if newline >= 0 else end
            rest = self.raw[at + len(mark) : after][:201].strip()
            if rest in (b"", b"--"):
                yield at, after, rest == b"--"
            else:
                self.false_ends += 1
                if self.false_ends > _FALSE_ENDS:
                    raise Refused("too_many_parts", "body", about=str(_FALSE_ENDS))
            at = self.next(mark, at, end)

    def next(self, mark: bytes, start: int, end: int) -> int:
        at = self.raw.find(b"\n" + mark, start, end)
        return at + 1 if at >= 0 else -1

    def before(self, at: int, start: int) -> int:
        """The line end before a delimiter belongs to the delimiter."""
        if at - 2 >= start and self.raw[at - 2 : at] == b"\r\n":
            return at - 2
        return at - 1 if at - 1 >= start and self.raw[at - 1 : at] == b"\n" else at


def take_apart(raw: bytes, limits: MailLimits) -> Part:
    """The mail as a tree of parts. A mail inside a mail is one part. Raises Refused (see :class:`MailLimits`)."""
    if len(raw) > limits.size:
        raise Refused("too_big", "body", about=f"{limits.size} bytes")
    if not limits.bare_newlines and bare_newlines(raw):
        raise Refused("bare_newline", "body")
    return _Reader(raw, limits).part(0, len(raw), 0, "text/plain")


def bare_newlines(raw: bytes) -> bool:
    """Whether a CR or LF stands alone."""
    pairs = raw.count(b"\r\n")
    return raw.count(b"\n") != pairs or raw.count(b"\r") != pairs


def long_lines(raw: bytes, most: int = 1000) -> bool:
    """Whether a line, with its end, is longer than ``most`` octets (RFC 5322 §2.1.1 allows 1000)."""
    at = 0
    while len(raw) - at > most:
        newline = raw.rfind(b"\n", at, at + most)
        if newline < 0:
            return True
        at = newline + 1
    return False


def only_cr(raw: bytes) -> bool:
    """Whether the lines end with CR alone, as those of old Macintosh programs do."""
    return b"\n" not in raw and re.search(rb"\A[!-9;-~]+:[^\r]*\r", raw[:2000]) is not None
