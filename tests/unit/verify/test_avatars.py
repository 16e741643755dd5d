"""Pictures: odd files, and what is left of good ones."""

import io
import struct
import zlib

import pytest
from PIL import Image

from services.common.errors import Invalid
from services.verify.avatars import SIZES, Square, avatar_id, paint, size_for

RED, BLUE = (255, 0, 0), (0, 0, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def halves(width=200, height=100) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image


def near(pixel, colour) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(pixel[:3], colour, strict=True))


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_each_format_becomes_webp_in_every_size(kind):
    images = paint(encoded(halves(), kind), None)
    assert tuple(images) == SIZES
    for size, data in images.items():
        assert opened(data).size == (size, size)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        encoded(halves(), "BMP"),
        encoded(halves(), "TIFF"),
        encoded(halves())[:-60],
        encoded(halves(), "JPEG")[:400],
        encoded(halves(), "WEBP")[:60],
        png_of(6_325, 6_325),
        png_of(10_000, 10_000),
        png_of(60_000, 60_000),
        png_of(100, 100),
    ],
    ids=[
        "noise",
        "svg",
        "bmp",
        "tiff",
        "cut png",
        "cut jpeg",
        "cut webp",
        "40M",
        "100M",
        "3600M",
        "short png",
    ],
)
def test_what_is_no_sound_picture_is_refused(data):
    with pytest.raises(Invalid) as refused:
        paint(data, None)
    assert refused.value.reason == "IMAGE_INVALID"
    assert list(refused.value.fields) == ["image"]


def test_a_picture_stands_upright_and_loses_what_the_file_said_besides():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "a secret place"
    data = encoded(halves(100, 200), "JPEG", exif=exif, comment=b"a secret", icc_profile=b"secret")
    # The left half of the file is the upper half of the upright picture.
    small = opened(paint(data, None)[96]).convert("RGB")
    assert near(small.getpixel((48, 8)), RED)
    assert near(small.getpixel((48, 88)), BLUE)
    for made in paint(data, None).values():
        assert b"secret" not in made
        assert not opened(made).getexif()
        assert not {"exif", "icc_profile", "xmp"} & set(opened(made).info)


def test_the_first_picture_of_an_animation_is_taken():
    frames = [Image.new("RGB", (50, 50), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    made = opened(paint(data, None)[96])
    assert getattr(made, "n_frames", 1) == 1
    assert near(made.convert("RGB").getpixel((48, 48)), RED)


def test_a_palette_keeps_what_shows_through():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 20, 40, 40))
    made = opened(paint(encoded(image, transparency=0), None)[96])
    assert made.mode == "RGBA"
    assert made.getpixel((48, 5))[3] == 0
    assert made.getpixel((48, 90))[3] == 255


def test_the_square_is_cut_where_the_request_says():
    data = encoded(halves())
    assert near(opened(paint(data, Square(0, 0, 90))[96]).getpixel((90, 48)), RED)
    assert near(opened(paint(data, Square(110, 10, 90))[96]).getpixel((3, 48)), BLUE)
    for square in (Square(0, 0, 101), Square(150, 0, 60), Square(2**31 - 1, 0, 2**31 - 1)):
        with pytest.raises(Invalid) as refused:
            paint(data, square)
        assert list(refused.value.fields) == ["square"]


def test_the_id_follows_the_content_and_the_size_the_wish():
    one, other = paint(encoded(halves()), None), paint(encoded(halves().rotate(180)), None)
    assert avatar_id(one) == avatar_id(paint(encoded(halves()), None)) != avatar_id(other)
    assert [size_for(wanted) for wanted in (0, 96, 97, 480, 4096)] == [96, 96, 480, 480, 480]
