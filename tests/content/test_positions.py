"""Where a picture was taken is gone from every place; all the rest, and every pixel, is as it was."""

from __future__ import annotations

import io
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from bridge.content import positions
from bridge.content.parsing import MOST, Parsing
from bridge.content.positions import iim, tiff, xmp
from bridge.content.positions.boxes import Film
from tests.content import make

RAW_EXIF = b"Raw profile type exif\0\nexif\n%8d\n" % 200 + make.exif().hex().encode() + b"\n"
ZIPPED = b"Raw profile type exif\0\0" + zlib.compress(RAW_EXIF[22:])
XMP_ZIPPED = b"XML:com.adobe.xmp\0\x01\0\0\0" + zlib.compress(make.XMP)
CHUNKS = ((b"tEXt", RAW_EXIF), (b"zTXt", ZIPPED), (b"iTXt", XMP_ZIPPED), (b"tEXt", b"Title\0plaie"))
MOTION = make.jpeg() + make.jpeg() + make.film()  # a second picture and a film behind it, as telephones write them
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("image/jpeg", make.jpeg),
    "jpeg, progressive": ("image/jpeg", lambda: make.jpeg(progressive=True)),
    "jpeg with more behind it": ("image/jpeg", lambda: MOTION),
    "png": ("image/png", make.png),
    "png with old texts": ("image/png", lambda: make.png(CHUNKS)),
    "webp": ("image/webp", make.webp),
    "mp4": ("video/mp4", make.film),
    "mp4, moov last": ("video/mp4", lambda: make.film(last=True)),
    "mov": ("video/quicktime", lambda: make.film(brand=b"qt  ")),
    "heic": ("image/heic", make.heic),
    "heic, exif in meta": ("image/heic", lambda: make.heic(inside=True)),
}


def passed(mime: str, data: bytes, piece: int, film: Film | None = None) -> bytes:
    parser = positions.reader(mime, film or Film())
    assert parser is not None
    parsing = Parsing(parser)
    out = [parsing.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
    return b"".join(out) + parsing.end()


def secrets_in(data: bytes) -> list[bytes]:
    packed = (struct.pack("<II", 2121, 500), struct.pack(">II", 2121, 500))
    return [secret for secret in (*make.SECRETS, *packed) if secret in data or secret.hex().encode() in data]


@pytest.mark.parametrize("name", FILES)
def test_a_position_is_gone_whatever_the_pieces(name: str) -> None:
    mime, made = FILES[name]
    data = made()
    assert secrets_in(data)
    clean = passed(mime, data, len(data))
    assert secrets_in(clean) == []
    assert len(clean) == len(data)
    assert all(passed(mime, data, piece) == clean for piece in (1, 2, 7, 61, 4096))
    assert passed(mime, clean, 1000) == clean


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("jpeg", "png", "webp"))])
def test_all_the_rest_stays(name: str) -> None:
    mime, made = FILES[name]
    data = made()
    clean = passed(mime, data, 4096)
    assert make.gps_of(data)
    assert not make.gps_of(clean)
    assert (make.orientation_of(clean), make.pixels_of(clean)) == (6, make.pixels_of(data))
    with Image.open(io.BytesIO(clean)) as image:
        assert image.getexif()[0x010F] == "Telephone"
        assert image.getexif().get_ifd(0x8769)[0x829A] == 0.01
    assert b"<dc:title>plaie</dc:title>" in clean
    assert b'xmp:Rating="3"' in clean


def test_png_stays_well_formed() -> None:
    clean = passed("image/png", make.png(CHUNKS), 100)
    with Image.open(io.BytesIO(clean)) as image:
        image.load()
        assert image.info["Title"] == "plaie"
    at = 8
    while at < len(clean):  # every checksum is right
        size = int.from_bytes(clean[at : at + 4])
        assert zlib.crc32(clean[at + 4 : at + 8 + size]).to_bytes(4) == clean[at + 8 + size : at + 12 + size]
        at += 12 + size


def test_what_has_no_position_is_not_touched() -> None:
    harmless = make.exif(gps=False).hex().encode()
    profile = b"Raw profile type exif\0\nexif\n%8d\n" % (len(harmless) // 2) + harmless
    png = make.png()[:33] + make.chunk(b"tEXt", profile) + make.png()[-12:]
    for mime, data in (("image/jpeg", make.jpeg(gps=False)), ("image/png", png)):
        assert passed(mime, data, 512) == data
    assert positions.reader("application/pdf", Film()) is None


def test_a_film_says_its_measures() -> None:
    for last in (False, True):
        film = Film()
        passed("video/mp4", make.film(last=last), 333, film)
        assert (film.width, film.height, film.duration_ms) == (1080, 1920, 12_500)  # as it is shown: turned
    film = Film()
    long = make.box(b"mvhd", b"\1" + bytes(19), struct.pack(">IQ", 1000, 5_000_000_000))
    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    track = make.box(b"tkhd", b"\1" + bytes(51), matrix, struct.pack(">II", 640 << 16, 480 << 16))
    passed("video/mp4", make.box(b"moov", long, make.box(b"trak", track)), 10, film)
    assert (film.width, film.height, film.duration_ms) == (640, 480, 5_000_000_000)


def test_exif_of_either_order_and_torn() -> None:
    body = make.exif().removeprefix(b"Exif\0\0")
    assert tiff.without_position(body) != body
    for cut in range(len(body)):
        kept = tiff.without_position(body[:cut])
        assert len(kept) == cut
    assert tiff.without_position(b"nothing of a TIFF") == bytes(17)
    little = (
        b"II*\0"
        + struct.pack("<IH", 8, 2)
        + struct.pack("<HHII", 0x8825, 4, 1, 38)
        + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    )
    little += struct.pack("<I", 0) + struct.pack("<HHHII", 1, 2, 5, 3, 56) + bytes(4) + b"secret"
    clean = tiff.without_position(little)
    assert b"sec" not in clean
    assert clean[8:10] == b"\1\0"
    assert clean[10:12] == b"\x12\1"


def test_odd_xmp_and_iptc() -> None:
    for packet, kept in {
        b'<a exif:GPSLatitude="1': b"<a                    ",
        b"<exif:GPSLatitude>1<b>": b"                      ",
        b"<exif:GPSLatitude/><b>": b"                   <b>",
        b'<a b="1" City ="x"></a>': b'<a b="1"          ></a>',
        b"<a>City of London</a>": b"<a>City of London</a>",
        "<exif:GPS>".encode("utf-16-le"): b" " * 20,
    }.items():
        assert xmp.without_position(packet) == kept
    torn = make.iptc().removeprefix(b"Photoshop 3.0\0")
    for cut in range(len(torn)):
        assert len(iim.without_position(torn[:cut])) == cut
    assert make.CITY.encode() not in iim.without_position(torn)
    assert b"plaie" in iim.without_position(torn)


@pytest.mark.parametrize("name", FILES)
def test_torn_and_mangled_files_pass_and_keep_their_length(name: str) -> None:
    mime, made = FILES[name]
    data, dice = made(), random.Random(7)
    for cut in (*range(0, min(len(data), 1200), 37), len(data) - 1):
        torn = passed(mime, data[:cut], 500)
        assert len(torn) == cut
    for _ in range(60):
        mangled = bytearray(data)
        for _ in range(dice.randrange(1, 12)):
            mangled[dice.randrange(len(mangled))] = dice.choice((0, 1, 2, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        assert len(passed(mime, bytes(mangled), 777)) == len(data)


@pytest.mark.parametrize("mime", sorted({mime for mime, _ in FILES.values()}))
def test_noise_costs_little(mime: str) -> None:
    """Bytes that begin well, or ask for much, are neither held nor read twice."""
    dice = random.Random(11)
    heads = {
        "image/jpeg": b"\xff\xd8\xff\xe1\xff\xff",
        "image/png": make.png()[:8] + b"\0\x0f\xff\xffiTXt",
        "image/webp": b"RIFF\0\0\0\0WEBPEXIF\xff\xff\x0f\0",
    }
    head = heads.get(mime, make.box(b"ftyp", b"heic", bytes(4)) + b"\x00\x1f\xff\xffmeta")
    for filling in (
        dice.randbytes(1024) * 2048,
        b"\xff\xd8\xff\xe1" * 512 * 1024,
        b"\0\0\0\x08moov" * 256 * 1024,
        b"<a GPS" * 350_000,
    ):
        data = head + filling
        tracemalloc.start()
        begun = time.process_time()
        assert len(passed(mime, data, 64 * 1024)) == len(data)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 2 * len(data) + 4 * MOST
        assert time.process_time() - begun < 60  # a bound for loops without end, not for speed
