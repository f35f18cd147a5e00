"""Files on the wire of Connect: whole in a message, uploaded before it, named by a webhook."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from bridge.networks.connect.fields import MIME_PATTERN, Content, Id, Sha256, Time, Wire

LONGEST_MS = 7 * 24 * 3600 * 1000


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: 2500.0 is a whole one, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Duration = Annotated[int, Field(ge=1, le=LONGEST_MS), BeforeValidator(_whole)]
Loudness = Annotated[int, Field(ge=0, le=1024), BeforeValidator(_whole)]


class Heard(Wire):
    """What only its sender knows of a sound."""

    voice: bool = Field(default=False, description="Somebody has spoken it as a message.")
    duration_ms: Duration | None = Field(default=None, description="Of a sound; found out if not given.")
    waveform: list[Loudness] | None = Field(
        default=None,
        max_length=1000,
        repr=False,
        description="The loudness of a sound along the way, some dozens of numbers from 0 to 1024 (MSC1767).",
        examples=[[0, 512, 1024, 300]],
    )


class NewFile(Heard):
    """A document that goes with a message, whole."""

    name: str = Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00-\x1F\x7F/\\]*$",
        repr=False,
        description="At most 255 bytes of UTF-8, no path, no control character: such a name is refused, not changed.",
        examples=["bilan.pdf"],
    )
    type: str = Field(
        pattern=MIME_PATTERN, description="A media type without parameters.", examples=["application/pdf"]
    )
    content: Content = Field(repr=False, description="Base64 (RFC 4648, 4) in one line, with its padding.")
    sha256: Sha256 | None = Field(default=None, description="Of the content, in hexadecimal; checked if it is given.")


class UploadedFile(Heard):
    """A document that goes with a message and was uploaded before (`POST /files`)."""

    id: Id = Field(description="The hub's id of the upload. It can be named for a day, by several messages.")


def _form(given: Any) -> str:
    """Which of the two a file is; the tags are in no name of a field."""
    named = "id" in given if isinstance(given, dict) else isinstance(given, UploadedFile)
    return "<uploaded>" if named else "<whole>"


AnyFile = Annotated[
    Annotated[NewFile, Tag("<whole>")] | Annotated[UploadedFile, Tag("<uploaded>")], Discriminator(_form)
]


class Uploaded(Wire):
    """A file that waits to be named by a message."""

    id: str
    name: str = Field(repr=False)
    type: str
    size: int = Field(description="In bytes.")
    sha256: Sha256


class FileView(Wire):
    """A document that goes with a message."""

    name: str = Field(max_length=255, repr=False, description="Cleaned: no path, no control character.")
    type: str = Field(pattern=MIME_PATTERN, description="Told by its content, whatever its sender called it.")
    size: int = Field(description="In bytes.")
    sha256: Sha256
    width: int | None = Field(default=None, description="Of a picture or film as it is shown, in pixels.")
    height: int | None = Field(default=None, description="The same.")
    duration_ms: int | None = Field(default=None, description="Of a sound or film.")
    waveform: list[int] | None = Field(default=None, repr=False, description="Of a sound: numbers from 0 to 1024.")
    voice: bool = Field(default=False, description="Somebody has spoken it as a message.")
    blurhash: str | None = Field(default=None, repr=False, description="A blur of a picture (blurha.sh).")
    content: str | None = Field(
        default=None,
        repr=False,
        description="Base64 (RFC 4648, 4); only for a product that has not declared `files_by_url`, or where the hub's "
        "store of files was away.",
        json_schema_extra={"contentEncoding": "base64"},
    )
    id: str | None = Field(default=None, description="For `GET /files/{id}`; for a product with `files_by_url`.")
    url: str | None = Field(
        default=None,
        repr=False,
        description="Where it can be fetched without a token until `expires_at`. It begins with `/` where the operator "
        "has not said the public address of this API: then it is on the host of this API.",
    )
    expires_at: Time | None = Field(default=None, description="Afterwards: `GET /files/{id}` with the token.")
