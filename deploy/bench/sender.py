"""``python -m deploy.bench.sender``: hands mails to an operator by SMTP with TLS, one or several on a connection.

A process of its own, so that what it costs is nobody else's. One job (JSON) a line comes in, one answer a line goes
out: when it began to connect and when the last mail was taken, in seconds of the machine's monotonic clock.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

_TEXT = (
    "Le patient a été revu en consultation ce matin : l'évolution est favorable, la cicatrice est propre, le "
    "traitement est bien toléré et l'examen clinique est sans particularité. Merci de poursuivre la surveillance."
)
_PARAGRAPHS = 18  # of plain text; about 4 kB with the header
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be made: every second one with HTML as Outlook writes it, the others plain."""

    id: str
    sender: str
    recipient: str
    mark: str
    cites: str = ""
    html: bool = False

    def raw(self) -> bytes:
        """About 4 kB, as it goes over the wire (no line of it begins with a dot)."""
        head = [
            f"From: Anna Martin <{self.sender}>", f"To: <{self.recipient}>", f"Subject: Suivi {self.id}",
            f"Message-ID: <{self.id}@{self.sender.partition('@')[2]}>", "Date: Mon, 02 Mar 2026 09:30:00 +0100",
            "MIME-Version: 1.0",
        ]  # fmt: skip
        if self.cites:
            cited = f"<{self.cites}@{self.sender.partition('@')[2]}>"
            head += [f"In-Reply-To: {cited}", f"References: {cited}"]
        return "\r\n".join([*head, *(self._both() if self.html else self._plain(_PARAGRAPHS)), ""]).encode()

    def _plain(self, paragraphs: int) -> list[str]:
        kind = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
        return [*kind, f"{self.mark}", "", *[_TEXT] * paragraphs]

    def _both(self) -> list[str]:
        rich = "".join(f'<p class="MsoNormal"><span style="font-size:11pt">{_TEXT}</span></p>\r\n' for _ in range(8))
        return [
            'Content-Type: multipart/alternative; boundary="part"', "", "--part", *self._plain(6), "--part",
            "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit", "",
            f"<html><body><p>{self.mark}</p>", rich + "</body></html>", "--part--",
        ]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """Where to, as whom, and the mails of each line: one after the other, ``each`` on a connection (0: all)."""

    port: int
    certificate: str
    key: str
    authority: str
    lines: Sequence[Sequence[Letter]]
    each: int = 0

    @cached_property
    def context(self) -> ssl.SSLContext:
        """TLS as operators speak it: both show certificates of the same authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class _Line:
    """One connection."""

    def __init__(self, job: Job) -> None:
        plain = socket.create_connection(("127.0.0.1", job.port), timeout=_PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._use(plain)
        self._expect(b"220")
        self._say(b"EHLO bench.example\r\n", b"250")
        self._say(b"STARTTLS\r\n", b"220")
        self._use(job.context.wrap_socket(plain))
        self._say(b"EHLO bench.example\r\n", b"250")

    def _use(self, connection: socket.socket) -> None:
        self._socket = connection
        self._answers: BinaryIO = connection.makefile("rb")

    def _say(self, data: bytes, *codes: bytes) -> None:
        self._socket.sendall(data)
        for code in codes:
            self._expect(code)

    def _expect(self, code: bytes) -> None:
        line = self._answers.readline()
        while line[3:4] == b"-":
            line = self._answers.readline()
        if not line.startswith(code):
            raise RuntimeError(f"the operator answered {line!r} instead of {code!r}")

    def send(self, letter: Letter, raw: bytes) -> None:
        """Hand one mail over; returns once it was taken (250)."""
        start = f"MAIL FROM:<{letter.sender}>\r\nRCPT TO:<{letter.recipient}>\r\nDATA\r\n"
        self._say(start.encode(), b"250", b"250", b"354")
        self._say(raw + b".\r\n", b"250")

    def close(self) -> None:
        """Say goodbye."""
        self._say(b"QUIT\r\n", b"221")
        self._answers.close()
        self._socket.close()


def run(job: Job) -> dict[str, float | str]:
    """Send everything; a thread for each line."""
    ready = [[(letter, letter.raw()) for letter in line] for line in job.lines]
    _ = job.context  # reads the files before the clock runs
    taken, problems = list[float](), list[str]()

    def work(mails: Sequence[tuple[Letter, bytes]]) -> None:
        try:
            each = job.each or len(mails)
            for n in range(0, len(mails), each):
                line = _Line(job)
                for letter, raw in mails[n : n + each]:
                    line.send(letter, raw)
                taken.append(time.perf_counter())
                line.close()
        except (OSError, RuntimeError) as error:
            problems.append(str(error))

    begin = time.perf_counter()
    threads = [threading.Thread(target=work, args=(mails,)) for mails in ready if mails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"problem": problems[0]} if problems else {"begin": begin, "end": max(taken)}


def main() -> None:
    """Take jobs until the input ends."""
    for line in sys.stdin:
        values = json.loads(line)
        lines = [[Letter(**letter) for letter in mails] for mails in values.pop("lines")]
        print(json.dumps(run(Job(lines=lines, **values))), flush=True)


if __name__ == "__main__":
    main()
