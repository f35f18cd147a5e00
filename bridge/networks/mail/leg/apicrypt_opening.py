"""A mail with Apicrypt v1 in it: opened by the site's codec before it goes on; refused with a reason without one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.documents import apicrypt, codec
from bridge.networks.mail.documents.codec import CodecSettings
from bridge.networks.mail.documents.laboratory import hprim
from bridge.networks.mail.mime.charsets import decode, readable
from bridge.networks.mail.mime.file_names import better_mime, safe_name
from bridge.networks.mail.mime.mail import Mail
from bridge.words import sentence

log = logging.getLogger(__name__)

MOST_FILES = 20  # of one mail
_AT_ONCE = 2  # runs of the codec
_LONG = 20_000  # characters; a clear text beyond is a file too, since a room shows its beginning only
_BYTES = "application/octet-stream"
_ENDINGS = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif"}


class Opener:
    """Opens what is encrypted in a mail. Its mark on an opened mail is the problem ``apicrypt_v1``, so that the room
    has the original as a file beside the clear text, and nothing is opened twice."""

    def __init__(self, settings: CodecSettings | None) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def opened(self, mail: Mail) -> Mail:
        """The mail with clear text and files in place of encrypted ones; any other mail as it is.

        Raises Refused (``apicrypt_v1`` without a codec, ``codec_refused``, ``codec_too_large``) and Unavailable
        (``codec_missing``, ``codec_timeout``, ``codec_later``).
        """
        found = _encrypted(mail)
        if found is None:
            return mail
        if self._settings is None:
            raise Refused(apicrypt.CODE)
        if len(found.files) > MOST_FILES or (found.block and "text_cut" in mail.problems):
            raise Refused("codec_too_large", about=f"{len(found.files)} files")
        async with self._turn:
            return await self._open(self._settings, mail, found)

    async def reopened(self, mail: Mail) -> Mail:
        """The same for a mail that was taken: what cannot be opened any more goes on with an explanation.

        Raises Unavailable.
        """
        try:
            return await self.opened(mail)
        except Refused as refusal:
            log.warning("a mail that was taken cannot be opened any more: %s", refusal.code)
            return closed(mail, refusal.code)

    async def _open(self, settings: CodecSettings, mail: Mail, found: apicrypt.Apicrypt) -> Mail:
        files: list[File] = []
        left = settings.max_bytes
        text, html = mail.text, mail.html
        if found.block:
            clear = await codec.decode(settings, found.block.encode("utf-8", "replace"))
            left -= len(clear)
            text, html = mail.text.rpartition(found.block)[0] + readable(decode(clear)[0]), None
            if len(text) > _LONG:
                files.append(File("message-clair.txt", "text/plain", text.encode("utf-8", "replace")))
        for file in mail.files:
            if apicrypt.is_file(file):
                clear = await codec.decode(settings, file.data)
                left -= len(clear)
                files.append(_named(file, clear))
            else:
                files.append(file)
            if left < 0:
                raise Refused("codec_too_large", about=f"{settings.max_bytes} bytes")
        return _marked(replace(mail, text=text, html=html, files=tuple(files)))


def closed(mail: Mail, code: str) -> Mail:
    """The mail with the reason in place of its encrypted text; encrypted files stay, they are shown as closed."""
    found = _encrypted(mail)
    clear = mail.text.rpartition(found.block)[0] if found and found.block else mail.text
    text = "\n\n".join(part for part in ("⚠️ " + sentence(code), clear.strip()) if part)
    return _marked(replace(mail, text=text, html=None))


def _encrypted(mail: Mail) -> apicrypt.Apicrypt | None:
    if apicrypt.CODE in mail.problems:
        return None
    found = apicrypt.recognise(mail.text, mail.files, mail.sender.address if mail.sender else "")
    return found if found is not None and found.encrypted else None


def _marked(mail: Mail) -> Mail:
    return replace(mail, problems=tuple(sorted({*mail.problems, apicrypt.CODE})))


def _named(file: File, clear: bytes) -> File:
    """``bilan.pdf.apz`` is ``bilan.pdf``; where the name says no type, the content does."""
    name = file.name.strip()
    if not name.lower().endswith(".apz"):
        return File(file.name, file.mime, clear, file.inline)
    stem = name[:-4]
    mime = better_mime(_BYTES, clear)
    if mime == _BYTES and hprim.looks_like(clear):
        ending, mime = ".hpr", "text/plain"
    else:
        ending = _ENDINGS.get(mime, "")
    known = "." in stem.strip(".")[-6:]
    return File(safe_name(stem if known else stem + ending, mime), mime, clear)
