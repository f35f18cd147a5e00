"""Pictures: their size as shown, a small copy the right way up, a blur; bounded whatever the file holds."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from PIL import Image

from bridge.content.blurhash import blurhash
from bridge.content.pictures import Picture, look, readable
from tests.content import make


def small(picture: Picture | None) -> Image.Image:
    assert picture is not None
    assert picture.small is not None
    image = Image.open(io.BytesIO(picture.small))
    assert image.size == (picture.small_width, picture.small_height)
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_every_kind_of_picture(kind: str) -> None:
    mime = f"image/{kind.lower()}"
    picture = look(saved(make.scene(1600, 1000), kind), mime)
    assert picture is not None
    assert (picture.width, picture.height, picture.small_width, picture.small_height) == (1600, 1000, 800, 500)
    assert picture.small_mime == "image/jpeg"
    assert len(picture.small or b"") < 60_000
    assert len(picture.blurhash or "") == 28
    assert readable(mime)
    assert not readable("image/heic")


def test_a_turned_picture_is_shown_the_right_way_up() -> None:
    upright = Image.new("RGB", (600, 1200), "blue")
    upright.paste("red", (0, 0, 600, 200))  # red above
    for orientation, back in ((3, 180), (6, 90), (8, 270)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = look(saved(upright.rotate(back, expand=True), "JPEG", exif=exif), "image/jpeg")
        image = small(picture)
        assert picture is not None
        assert (picture.width, picture.height, *image.size) == (600, 1200, 300, 600)
        assert image.getexif().get(0x0112, 1) == 1
        red, _, blue = image.getpixel((150, 10))  # type: ignore[misc]
        assert red > 200 > 60 > blue


def test_what_one_can_see_through_stays_so() -> None:
    clear = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    picture = look(saved(clear, "PNG"), "image/png")
    image = small(picture)
    assert picture is not None
    assert (picture.small_mime, image.mode) == ("image/png", "RGBA")
    assert small(look(saved(Image.new("P", (50, 50)), "GIF", transparency=0), "image/gif")).size == (50, 50)
    assert small(look(saved(Image.new("CMYK", (50, 50)), "JPEG"), "image/jpeg")).mode == "RGB"
    assert small(look(saved(Image.new("I;16", (50, 50)), "PNG"), "image/png")).mode == "RGB"


def test_nothing_of_the_exif_goes_into_the_small_copy() -> None:
    picture = look(make.jpeg(1200, 900), "image/jpeg")
    assert picture is not None
    assert picture.small is not None
    assert b"Exif" not in picture.small


def bomb(width: int, height: int) -> bytes:
    """A PNG of many pixels in few bytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + make.chunk(b"IHDR", head) + make.chunk(b"IDAT", data) + make.chunk(b"IEND", b"")


def test_bombs_have_a_size_and_no_small_copy() -> None:
    assert look(bomb(30_000, 30_000), "image/png") == Picture(30_000, 30_000)
    assert look(bomb(60_000, 60_000), "image/png") == Picture(60_000, 60_000)
    canvas = b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0" + bytes(200)
    assert look(canvas, "image/webp") is None
    data = make.jpeg(400, 300, progressive=True)
    scan = data.index(b"\xff\xda")
    many = data[:scan] + data[scan : data.index(b"\xff\xc4", scan)] * 200 + data[scan:]
    assert look(many, "image/jpeg") == Picture(300, 400)


def test_a_large_photo_is_made_small() -> None:
    photo = saved(Image.new("L", (9000, 8000), 127), "JPEG")  # 72 MP, unpacked at an eighth
    picture = look(photo, "image/jpeg")
    assert picture is not None
    assert (picture.width, picture.height, picture.small_width, picture.small_height) == (9000, 8000, 675, 600)


def test_torn_and_mangled_pictures() -> None:
    dice = random.Random(5)
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        data, mime = saved(make.scene(200, 150), kind), f"image/{kind.lower()}"
        for _ in range(25):
            torn = bytearray(data[: dice.randrange(len(data))])
            for _ in range(dice.randrange(4)):
                if torn:
                    torn[dice.randrange(len(torn))] = dice.randrange(256)
            look(bytes(torn), mime)  # no exception
    assert look(make.jpeg(gps=False)[:5000], "image/jpeg") is not None
    for mime in ("image/jpeg", "image/png", "image/tiff", "application/pdf"):
        assert look(b"nothing of the kind", mime) is None


def test_blurhash_of_known_colours() -> None:
    """The values of the algorithm's own implementations (blurhash-python 1.1)."""
    assert blurhash([(255, 0, 0)] * 16, 4, 4, 1, 1) == "00TI:j"
    assert blurhash([(0, 0, 0)] * 16, 4, 4, 4, 3)[:6] == "L00000"
    ramp = [(x * 8, y * 8, 128) for y in range(32) for x in range(32)]
    assert blurhash(ramp, 32, 32) == RAMP


RAMP = "LxH2cX2swxX8l}WDjte;gJfjfQfj"
