"""IHE_XDM.ZIP, read leniently and safely: the documents with their metadata, whatever the sender got wrong. Pure.

Source: IHE ITI TF-1 16 and TF-3 4 (XDM, ebRIM 3.0). Real metadata is messy: schemes may be missing, names stand in for
them, case varies. Size and hash that do not fit are told, not refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from bridge.errors import Refused
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents import xmlsafe, zipsafe
from bridge.networks.mail.documents.card import line, mime_type
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.xdm_compose import compose
from bridge.networks.mail.documents.xmlsafe import Element

__all__ = ["Document", "Xdm", "compose", "looks_like", "parse"]

MOST_DOCUMENTS = 100

_METADATA = re.compile(r"(IHE_XDM/[^/]+/)METADATA\.XML", re.I)
_KNOWN = re.compile(r"(?:.*/)?(?:METADATA\.XML|README\.TXT|INDEX\.HTML?)", re.I)
TYPE = "f0306f51-975f-434e-a61c-c59651d33983"
UNIQUE = "2e82c1f6-a085-4c72-9da3-8640a32e42ab"
PATIENT = "58a6f841-87b3-4a3e-92fd-a8ffeff98427"
SET_PATIENT = "6b5aea1a-874d-4603-a4bc-96a0a7b38446"
_CX = re.compile(r"([^^]*)\^[^^]*\^[^^]*\^[^&^]*&([0-9.]+)&ISO", re.I)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of an archive; ``created`` is an HL7 time; ``replaces`` says that it stands for an earlier one."""

    name: str = field(repr=False)
    mime: str
    data: bytes = field(repr=False)
    title: str = field(default="", repr=False)
    type_code: str = ""
    type_label: str = field(default="", repr=False)
    created: str = ""
    unique_id: str = field(default="", repr=False)
    author: str = field(default="", repr=False)
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Xdm:
    """What an archive holds. ``problems``: codes of what does not fit together; the documents are there anyway."""

    documents: tuple[Document, ...]
    patients: frozenset[Patient] = field(repr=False)
    problems: tuple[str, ...] = ()


def looks_like(name: str, data: bytes) -> bool:
    """Whether a zip claims to be an XDM; other archives stay closed."""
    if re.fullmatch(r"ihe[_-]xdm.*\.zip", name.strip().casefold()):
        return True
    return zipsafe.is_zip(data) and re.search(rb"IHE_XDM/", data, re.I) is not None


def parse(data: bytes, limits: zipsafe.ZipLimits | None = None) -> Xdm:
    """The documents of an archive. Raises Refused (codes of zipsafe, xmlsafe; xdm_no_metadata, xdm_too_many)."""
    entries = zipsafe.unpack(data, limits)
    folders = [found[1] for name in entries if (found := _METADATA.fullmatch(name))]
    if not folders:
        raise Refused("xdm_no_metadata")
    state = _State(entries)
    for folder in folders:
        state.subset(folder)
    state.unlisted(folders)
    return Xdm(tuple(state.documents), patients.merged(state.patients), tuple(dict.fromkeys(state.problems)))


class _State:
    """What was gathered so far from the subsets of one archive."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self.entries = {name.casefold(): (name, data) for name, data in entries.items()}
        self.documents: list[Document] = []
        self.patients: list[Patient] = []
        self.problems: list[str] = []
        self.used: set[str] = set()

    def subset(self, folder: str) -> None:
        """The documents that one METADATA.XML lists."""
        root = xmlsafe.parse_xml(self.entries[f"{folder}METADATA.XML".casefold()][1])
        objects = [one for one in root.iter() if xmlsafe.tag(one) == "extrinsicobject"]
        if len(self.documents) + len(objects) > MOST_DOCUMENTS:
            raise Refused("xdm_too_many", about=str(MOST_DOCUMENTS))
        replaced = _replacing(root)
        for one in objects:
            self.patients.append(_patient(one))
            self.document(folder, one, xmlsafe.attribute(one, "id") in replaced)
        for one in root.iter():
            if xmlsafe.tag(one) == "registrypackage":
                self.patients.append(_patient(one))

    def document(self, folder: str, one: Element, replaces: bool) -> None:
        """One ExtrinsicObject with its bytes, if they are there."""
        slots = _slots(one)
        key = (folder + unquote(_uri(slots)).removeprefix("./")).casefold()
        found = self.entries.get(key)
        if found is None or key in self.used:
            self.problems.append("xdm_document_missing")
            return
        self.used.add(key)
        name, data = found
        if zipsafe.is_zip(data):
            self.problems.append("refused: zip_nested")
            return
        self.check(slots, data)
        label, code = _classified(one, TYPE, "typecode")
        self.documents.append(
            Document(
                name.rpartition("/")[2], mime_type(xmlsafe.attribute(one, "mimeType") or _slot(slots, "mimetype")),
                data,
                _label(one), code, label, _slot(slots, "creationtime")[:20], _external(one, UNIQUE, "uniqueid"),
                _author(one), replaces,
            )
        )  # fmt: skip

    def check(self, slots: Mapping[str, list[str]], data: bytes) -> None:
        """Size and SHA-1 against the metadata."""
        size, digest = _slot(slots, "size"), _slot(slots, "hash").casefold()
        if size and size != str(len(data)):
            self.problems.append("xdm_size")
        if digest and digest != hashlib.sha1(data, usedforsecurity=False).hexdigest():
            self.problems.append("xdm_hash")

    def unlisted(self, folders: list[str]) -> None:
        """Files beside the metadata that it does not name: shown all the same."""
        for key, (name, data) in self.entries.items():
            inside = any(name.startswith(folder) for folder in folders)
            if not inside or key in self.used or _KNOWN.fullmatch(name):
                continue
            self.problems.append("refused: zip_nested" if zipsafe.is_zip(data) else "xdm_unlisted")
            if not zipsafe.is_zip(data):
                self.documents.append(Document(name.rpartition("/")[2], "application/octet-stream", data))


def _slots(element: Element) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for slot in xmlsafe.children(element, "Slot"):
        values = [xmlsafe.text_of(value) for value in xmlsafe.every(slot, "ValueList/Value")]
        found.setdefault(xmlsafe.attribute(slot, "name").casefold(), []).extend(values[:100])
    return found


def _slot(slots: Mapping[str, list[str]], name: str) -> str:
    return next(iter(slots.get(name, [])), "").strip()


def _uri(slots: Mapping[str, list[str]]) -> str:
    """The URI; a long one comes in numbered parts (``1|DOC``)."""
    parts = slots.get("uri", [])
    if parts and all(re.match(r"\d+\|", part) for part in parts):
        return "".join(part.partition("|")[2] for part in sorted(parts, key=lambda p: int(p.partition("|")[0][:9])))
    return next(iter(parts), "")


def _label(element: Element) -> str:
    """The value of ``Name/LocalizedString``."""
    return line(xmlsafe.attribute(xmlsafe.first(element, "Name/LocalizedString"), "value"))


def _scheme(element: Element, name: str) -> str:
    return xmlsafe.attribute(element, name).casefold().removeprefix("urn:uuid:")


def _classified(element: Element, scheme: str, name: str) -> tuple[str, str]:
    """The label and the code of a classification."""
    for one in xmlsafe.children(element, "Classification"):
        if _scheme(one, "classificationScheme") == scheme or xmlsafe.attribute(one, "id").casefold().startswith(name):
            return _label(one), line(xmlsafe.attribute(one, "nodeRepresentation"), 80)
    return "", ""


def _external(element: Element, scheme: str, name: str) -> str:
    """The value of an ExternalIdentifier: by its name (XDSDocumentEntry.uniqueId), else by its scheme."""
    found = list(xmlsafe.children(element, "ExternalIdentifier"))
    named = [one for one in found if _label(one).casefold().endswith(name)]
    schemed = [one for one in found if _scheme(one, "identificationScheme") == scheme and not _label(one)]
    return next((xmlsafe.attribute(one, "value") for one in (*named, *schemed)), "")


def _author(element: Element) -> str:
    """Family and given name of the author: XCN ``id^NOM^Prenom^…``, or plain text."""
    for one in xmlsafe.children(element, "Classification"):
        if value := _slot(_slots(one), "authorperson"):
            parts = value.split("^")
            return line(" ".join(parts[2:0:-1]) if len(parts) > 2 else value, 100)
    return ""


def _patient(element: Element) -> Patient:
    slots = _slots(element)
    values = [*slots.get("sourcepatientid", []), *(_external(element, s, "patientid") for s in (PATIENT, SET_PATIENT))]
    info: dict[str, str] = {}
    for value in slots.get("sourcepatientinfo", []):
        key, _, rest = value.partition("|")
        info.setdefault(key.strip().upper(), rest.strip())
    values += info.get("PID-3", "").split("~")
    ids = [(found[2], found[1]) for value in values[:50] if (found := _CX.match(value.strip().replace("&amp;", "&")))]
    names = [one.split("^") for one in info.get("PID-5", "").split("~")[:10]]
    givens = [one[1] for one in names if len(one) > 1 and one[1]]
    return patients.make(ids, [one[0] for one in names if one[0]], givens, info.get("PID-7", ""), info.get("PID-8", ""))


def _replacing(root: Element) -> set[str]:
    """The ids of documents that replace an earlier one (association RPLC)."""
    return {
        xmlsafe.attribute(one, "sourceObject")
        for one in root.iter()
        if xmlsafe.tag(one) == "association" and xmlsafe.attribute(one, "associationType").upper().endswith(":RPLC")
    }
