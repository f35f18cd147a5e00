"""Pictures, films and sounds with a position in every place where programs write one."""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib

from PIL import Image

PLACE = b"+48.8577+002.2950/"  # ISO 6709, as films have it
CITY = "Montfermeil"
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>'
    b'<rdf:Description exif:GPSLatitude="48,51.462N" exif:GPSLongitude=\'2,17.7E\' xmp:Rating="3" '
    b'photoshop:City="Montfermeil"><exif:GPSAltitude>35/1</exif:GPSAltitude><dc:title>plaie</dc:title>'
    b"<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li>Montfermeil</rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>"
    b'</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
SECRETS = (PLACE, CITY.encode(), b"48,51.462N", b"2,17.7E", b"35/1", struct.pack(">II", 2121, 500))


def exif(orientation: int = 6, gps: bool = True) -> bytes:
    """EXIF of a telephone: an orientation, its make, an exposure, and where it was."""
    made = Image.Exif()
    made[0x0112], made[0x010F], made[0x8769] = orientation, "Telephone", {0x829A: 0.01}
    if gps:
        made[0x8825] = {1: "N", 2: (48.0, 51.0, 4.242), 3: "E", 4: (2.0, 17.0, 42.0), 6: 35.5, 29: "2026:11:29"}
    return made.tobytes()


def gps_of(data: bytes) -> dict[int, object]:
    """The GPS directory that Pillow finds."""
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.getexif().get_ifd(0x8825))


def orientation_of(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        return int(image.getexif().get(0x0112, 1))


def pixels_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Something with colours that a lossy format keeps apart."""
    image = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (image, image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), Image.new("L", image.size, 90)))


def jpeg(
    width: int = 64, height: int = 48, *, orientation: int = 6, gps: bool = True, progressive: bool = False
) -> bytes:
    """With EXIF, XMP and IPTC, as a telephone and a program that catalogues write them."""
    out = io.BytesIO()
    scene(width, height).save(out, "JPEG", exif=exif(orientation, gps), progressive=progressive, quality=90)
    data = out.getvalue()
    if not gps:
        return data
    return data[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP) + segment(0xED, iptc()) + data[2:]


def segment(code: int, body: bytes) -> bytes:
    return bytes((0xFF, code)) + (len(body) + 2).to_bytes(2) + body


def iptc() -> bytes:
    """A caption, which stays, and a city."""
    sets = b"".join(
        b"\x1c\x02" + bytes((n,)) + len(v).to_bytes(2) + v for n, v in ((120, b"plaie"), (90, CITY.encode()))
    )
    return b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(sets).to_bytes(4) + sets + b"\0" * (len(sets) % 2)


def png(extra: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """With eXIf and XMP; ``extra`` are more chunks."""
    out = io.BytesIO()
    scene().save(out, "PNG", exif=exif())
    data = out.getvalue()
    chunks = ((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), *extra)
    return data[:33] + b"".join(chunk(kind, body) for kind, body in chunks) + data[33:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def webp() -> bytes:
    out = io.BytesIO()
    scene().save(out, "WEBP", exif=exif(), xmp=XMP, lossless=True)
    return out.getvalue()


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4) + kind + body


def film(*, last: bool = False, brand: bytes = b"isom") -> bytes:
    """A turned film of 12.5 s and 1920 × 1080; ``last``: its ``moov`` stands at the end, as cameras write it."""
    header = bytes(12) + struct.pack(">II", 600, 7500) + bytes(80)
    matrix = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    track = bytes(40) + matrix + struct.pack(">II", 1920 << 16, 1080 << 16)
    keys = box(b"keys", bytes(4), (2).to_bytes(4), box(b"mdta", b"com.apple.quicktime.make"),
               box(b"mdta", b"com.apple.quicktime.location.ISO6709"))  # fmt: skip
    values = box(b"ilst", *(box(n.to_bytes(4), box(b"data", bytes((0, 0, 0, 1)) + bytes(4) + v))
                            for n, v in ((1, b"Telephone"), (2, PLACE))))  # fmt: skip
    user = box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7" + PLACE), box(b"loci", bytes(6) + CITY.encode() + bytes(13)))
    meta = box(b"meta", box(b"hdlr", bytes(8) + b"mdta" + bytes(13)), keys, values)
    moov = box(b"moov", box(b"mvhd", header), box(b"trak", box(b"tkhd", track)), user, meta)
    xmp = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), XMP)
    pictures = box(b"mdat", b"ftyp moov \xff\xd8\xff" * 2000)
    parts = (pictures, moov) if last else (moov, pictures)
    return box(b"ftyp", brand, bytes(4), b"mp42") + b"".join(parts) + xmp


def heic(*, inside: bool = False) -> bytes:
    """The frame of a HEIC picture: EXIF (within ``meta`` if ``inside``), XMP, and bytes for the picture."""
    item = bytes(4) + exif()
    names = box(b"iinf", bytes(4), (3).to_bytes(2), box(b"infe", b"\x02\0\0\0", (1).to_bytes(2), bytes(2), b"hvc1\0"),
                box(b"infe", b"\x02\0\0\0", (2).to_bytes(2), bytes(2), b"Exif\0"),
                box(b"infe", b"\x02\0\0\0", (3).to_bytes(2), bytes(2), b"mime\0application/rdf+xml\0"))  # fmt: skip

    def meta(begin: int) -> bytes:
        def place(number: int, at: int, size: int, method: int = 0) -> bytes:
            return struct.pack(">HHHHII", number, method, 0, 1, at, size)

        where = place(2, 0, len(item), 1) if inside else place(2, begin, len(item))
        places = where + place(3, begin + len(item), len(XMP)) + place(1, begin + len(item) + len(XMP), 1000)
        idat = box(b"idat", item) if inside else b""
        return box(b"meta", bytes(4), box(b"hdlr", bytes(8) + b"pict" + bytes(13)), names,
                   box(b"iloc", b"\x01\0\0\0\x44\0", (3).to_bytes(2), places), idat)  # fmt: skip

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    begin = len(head) + len(meta(0)) + 8
    return head + meta(begin) + box(b"mdat", bytes(len(item)) if inside else item, XMP, bytes(range(256)) * 4)


def tone(seconds: float = 1.0, *, rate: int = 8000, width: int = 2, channels: int = 1) -> bytes:
    """A WAV that gets louder."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        frames = int(seconds * rate)
        most = (1 << width * 8 - 1) - 1
        values = (int(most * n / frames * math.sin(n)) for n in range(frames))
        raw = b"".join(
            ((v + 128).to_bytes(1) if width == 1 else v.to_bytes(width, "little", signed=True)) * channels
            for v in values
        )
        sound.writeframes(raw)
    return out.getvalue()


def ogg(seconds: float = 2.5) -> bytes:
    """The pages of a voice message in Opus: its head, its tags, and a last page with the number of samples."""
    head = b"OpusHead\x01\x01" + struct.pack("<HIhB", 312, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + bytes(4)
    last = int(seconds * 48000) + 312
    return page(head, 0, 0, 2) + page(tags, 0, 1, 0) + page(b"\xfc" + b"\xff\xfe" * 40, last, 2, 4)


def page(packet: bytes, granule: int, number: int, flags: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, 7, number, 0) + bytes((len(lacing),)) + lacing
    raw = bytearray(head + packet)
    raw[22:26] = _ogg_crc(raw).to_bytes(4, "little")
    return bytes(raw)


def _ogg_crc(raw: bytes | bytearray) -> int:
    crc = 0
    for byte in raw:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
