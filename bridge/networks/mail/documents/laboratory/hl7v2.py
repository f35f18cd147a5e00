"""HL7 v2 messages as records: results, texts, embedded documents, and whose they are. Pure.

Source: HL7 v2.5.1, chapters 3 (PID), 7 (OBR, OBX, NTE); names of a patient as the French national extension writes them
(PID-5 repeated: ``L`` of birth, ``D`` in use).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import line
from bridge.networks.mail.documents.cda.times import readable_time
from bridge.networks.mail.documents.laboratory.results import Measure, Record, Result
from bridge.networks.mail.documents.laboratory.segments import Segment, looks_like, messages
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.mime.file_names import ending, type_of

__all__ = ["looks_like", "parse"]

MOST_MESSAGES = 50

_PAIR = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:-|–|à|to)\s*([+-]?\d+(?:[.,]\d+)?)")
_LIMIT = re.compile(r"([<>])=?\s*([+-]?\d+(?:[.,]\d+)?)")
_TITLES = {"ORU": "Résultats", "OUL": "Résultats", "MDM": "Document médical", "ADT": "Identité et mouvements",
           "ORM": "Demande d'examens", "OML": "Demande d'examens", "SIU": "Rendez-vous"}  # fmt: skip
# What a card may leave out: who sent it, where the patient lies, who pays. Every other segment is said to be left out.
_AROUND = frozenset(
    ["MSH", "PID", "PD1", "PV1", "PV2", "EVN", "ORC", "TXA", "SFT", "UAC", "ROL", "NK1", "IN1", "IN2", "IN3", "GT1",
     "TQ1", "TQ2", "SAC", "CTI", "MSA", "PRT", "ZBE"]
)  # fmt: skip


def parse(data: bytes) -> tuple[Record, ...]:
    """One record for each message. Raises Refused: codes of :func:`segments.messages`, ``hl7_no_record``."""
    found: list[Record] = []
    for segments in messages(data):
        if len(found) == MOST_MESSAGES:
            found[-1] = replace(found[-1], problems=(*found[-1].problems, "too_many_documents"))
            break
        found.append(_Message(segments).record())
    if not found:
        raise Refused("hl7_no_record")
    return tuple(found)


class _Message:
    """What was read of one message so far."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments
        self.lines: list[Result | str] = []
        self.files: list[File] = []
        self.problems: list[str] = []
        self.day = ""  # of what was taken for the results that come now

    def record(self) -> Record:
        """All of it. The first segment of a kind says who and when."""
        first = {one.name: one for one in reversed(self.segments)}
        for one in self.segments:
            self.segment(one)
        head, order = first["MSH"], first.get("OBR")
        kind = head.components(9)
        title = _TITLES.get(kind[0], "Message")
        at = (order.text(7) if order else "") or head.text(7)
        return Record(
            _patient(first["PID"]) if "PID" in first else Patient(), line(head.text(4) or head.text(3), 100),
            line(head.text(6) or head.text(5), 100),
            line(order.text(3) if order else "", 60), readable_time(at), "", "",
            tuple(self.lines), tuple(dict.fromkeys(self.problems)), f"{title} (HL7 {'^'.join(filter(None, kind[:2]))})",
            tuple(self.files),
        )  # fmt: skip

    def segment(self, one: Segment) -> None:
        """One segment as lines of the record."""
        if one.name == "OBX":
            self.observation(one)
        elif one.name == "OBR":
            self.day = one.text(7)[:8]
            self.say(_coded(one, 4))
        elif one.name == "NTE":
            self.say("\n".join(one.plain("".join(parts)) for parts in one.repetitions(3)))
        elif one.name == "SPM":
            self.say(f"Prélèvement : {_coded(one, 4)}" if _coded(one, 4) else "")
        elif one.name not in _AROUND:
            self.problems.append("hl7_more")

    def say(self, text: str) -> None:
        """A text between the results, line by line."""
        self.lines += [cut for one in text.split("\n") if (cut := one.rstrip()[:2000])]

    def observation(self, one: Segment) -> None:
        """One OBX: a result, a text, or a document."""
        kind, label = one.text(2).upper(), _coded(one, 3)
        if kind == "ED":
            self.document(one, label)
            return
        if kind == "RP":
            self.problems.append("hl7_elsewhere")
        value = " ; ".join(shown for parts in one.repetitions(5) if (shown := _value(one, kind, parts)))
        flag = " ".join(one.plain(parts[0]).strip().upper() for parts in one.repetitions(8) if parts[0])
        day = one.text(14)[:8]
        if day and self.day and day != self.day:  # an earlier result, told beside the new one
            label = f"{label} (le {readable_time(day)})"
        measure = _measure(value, one.text(6) or one.text(6, 2), one.text(7).strip())
        result = Result(label, "", measure, flag, one.text(11).upper())
        self.problems += ["hprim_flag_disagrees"] if result.disagrees else []
        if "\n" in value or len(value) > 200:
            about = " ".join(part for part in (label, result.marked) if part)
            self.say(f"{about} : {value}" if about else value)
            return
        self.lines.append(result)

    def document(self, one: Segment, label: str) -> None:
        """The bytes of an ED value (source, type, subtype, encoding, data) as a file."""
        for parts in one.repetitions(5):
            _, kind, subtype, encoding, data = [*parts, "", "", "", "", ""][:5]
            held = _bytes(encoding.strip().lower(), data, one)
            if not held:
                self.problems.append("hl7_bad_document")
                continue
            said = cards.mime_type(f"{kind.strip()}/{subtype.strip()}")
            mime = type_of(held) or said
            stem = f"document-{len(self.files) + 1} {line(label, 60)}".strip()
            self.files.append(File(cards.file_name(f"{stem}{ending(mime)}"), mime, held))
            self.say(f"{label} : [{self.files[-1].name}]" if label else f"[{self.files[-1].name}]")


def _bytes(encoding: str, data: str, one: Segment) -> bytes:
    """What an ED value holds; empty if it is damaged."""
    text = one.plain(data)
    try:
        if encoding == "base64":
            return base64.b64decode("".join(text.split()), validate=True)
        return bytes.fromhex(text) if encoding == "hex" else text.encode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return b""


def _coded(one: Segment, number: int) -> str:
    """A coded value in words: its text, the original text, the alternate text, else the code."""
    parts = one.components(number)
    return line(parts[1] or parts[8] or parts[4] or parts[0], 200)


def _value(one: Segment, kind: str, parts: list[str]) -> str:
    """One repetition of OBX-5 as text, by the type of OBX-2."""
    plain = [one.plain(part).strip() for part in parts]
    if kind in ("CE", "CWE", "CNE", "CF"):
        padded = [*plain, *[""] * 9]
        return padded[1] or padded[8] or padded[4] or padded[0]
    if kind == "SN":
        return "".join(plain)
    if kind in ("DT", "TS", "DTM"):
        return readable_time(plain[0])
    return " ".join(part for part in plain if part)


def _measure(value: str, unit: str, reference: str) -> Measure:
    if pair := _PAIR.fullmatch(reference):
        return Measure(value, unit, pair[1], pair[2])
    if limit := _LIMIT.fullmatch(reference):
        return Measure(value, unit, high=limit[2]) if limit[1] == "<" else Measure(value, unit, low=limit[2])
    return Measure(value, unit, spelled=line(reference, 100))


def _patient(pid: Segment) -> Patient:
    ids = []
    for parts in pid.repetitions(3)[:20]:
        authority = pid.parts(parts[3]) if len(parts) > 3 else []
        root = (authority[1] if len(authority) > 1 else "") or (authority[0] if authority else "")
        ids.append((root, pid.plain(parts[0])))
    names = [[pid.plain(part) for part in parts] + [""] * 8 for parts in pid.repetitions(5)[:10]]
    names.sort(key=lambda name: {"L": 0, "D": 2}.get(name[6].strip().upper(), 1))
    families = [name[0].partition(pid.marks[3])[0] for name in names]
    used = [" ".join(name[:2]) for name in names if name[6].strip().upper() == "D"]
    return patients.make(ids, families, [name[1] for name in names], pid.text(7), pid.text(8), *used[:1])
