"""Pictures: how they are drawn, kept on disk, and fetched."""

import io
import itertools
import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from hongyan_client import pictures
from hongyan_client.client import Client
from hongyan_client.errors import InvalidArgument, NotFound
from hongyan_client.picture_files import PictureFiles
from hongyan_client.pictures import COLOURS, GROUND, ROWS, WHITE, Face, places
from tests.unit.client.peer import YOU, Peer

SIZES = (96, 192)


def plain(colour: tuple[int, int, int], side: int = 96) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(target, "PNG")
    return target.getvalue()


def luminance(colour: tuple[int, int, int]) -> float:
    """WCAG 2's relative luminance."""
    parts = [it / 255 for it in colour]
    red, green, blue = (
        it / 12.92 if it <= 0.03928 else ((it + 0.055) / 1.055) ** 2.4 for it in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_white_stands_out_on_every_colour() -> None:
    for colour in COLOURS:
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


def test_a_users_colour_is_the_same_for_ever() -> None:
    assert [COLOURS.index(pictures.colour(it)) for it in ("u0", "u1", "u2", "u3")] == [2, 6, 1, 12]
    assert len({pictures.colour(f"user-{it}") for it in range(500)}) == len(COLOURS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bo", "B"),
        ("凌云", "凌"),
        (" «émile»", "É"),
        ("ßen", "ß"),
        ("7up", "7"),
        ("😀!", ""),
        ("", ""),
    ],
)
def test_the_first_letter_of_a_name(name: str, expected: str) -> None:
    assert pictures.initial(name) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["bo", "grace", "9"])
def test_a_letter_stands_in_the_middle_of_its_colour(name: str, size: int) -> None:
    picture = pictures.letter("u1", name, size)
    ground = pictures.colour("u1")
    assert picture.size == (size, size)
    assert {picture.getpixel(it) for it in ((0, 0), (size - 1, 0), (0, size - 1))} == {ground}
    ink = Image.eval(picture.convert("L"), lambda it: 255 if it > 128 else 0).getbbox()
    assert ink is not None
    left, top, right, bottom = ink
    assert abs(left - (size - right)) <= size // 32
    assert abs(top - (size - bottom)) <= size // 32
    assert size * 0.3 <= bottom - top <= size * 0.6
    colours = picture.getcolors(size * size)
    assert colours is not None
    assert WHITE in [it for _, it in colours]
    assert picture.tobytes() == pictures.letter("u1", name, size).tobytes()


def test_a_figure_stands_for_a_letter_that_no_font_has() -> None:
    figure = pictures.letter("u1", "", 96)
    assert figure.getpixel((48, 34)) == WHITE
    assert figure.getpixel((48, 90)) == WHITE
    assert figure.getpixel((4, 90)) == pictures.colour("u1")
    assert pictures.has_font("Bo")
    assert not pictures.has_font("\U0003fffd" if "\U0003fffd".isalnum() else "\U00016a40")
    # Han characters depend on the fonts of the machine, and are never an empty box.
    drawn = pictures.letter("u1", "凌", 96)
    assert pictures.has_font("凌") == (drawn.tobytes() != figure.tobytes())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", ROWS)
def test_the_pictures_of_a_mosaic_stand_in_centred_rows(count: int, size: int) -> None:
    found = places(count, size)
    rows = [list(it) for _, it in itertools.groupby(found, key=lambda it: it[1])]
    assert tuple(len(it) for it in rows) == ROWS[count]
    assert len({side for _, _, side in found}) == 1
    side = found[0][2]
    for row in rows:
        assert row[0][0] == size - (row[-1][0] + side) >= 2
        gaps = {after[0] - before[0] - side for before, after in itertools.pairwise(row)}
        assert all(2 <= it <= size // 24 for it in gaps)
    assert rows[0][0][1] == size - (rows[-1][0][1] + side) >= 2
    # Painted white on black, once each: nothing lies on anything else.
    canvas = Image.new("L", (size, size))
    for left, top, side in found:
        box = (left, top, left + side - 1, top + side - 1)
        assert canvas.crop((left, top, left + side, top + side)).getbbox() is None
        ImageDraw.Draw(canvas).rectangle(box, 255)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", ROWS)
def test_each_picture_of_a_mosaic_is_whole_on_grey(count: int, size: int) -> None:
    faces = [Face(f"u{it}", "x", plain(COLOURS[it])) for it in range(count)]
    picture = pictures.group(faces, size)
    areas = dict(enumerate(COLOURS[:count]))
    counted = {colour: number for number, colour in picture.getcolors(size * size) or []}
    side = places(count, size)[0][2]
    assert all(counted[it] == side * side for it in areas.values())
    assert counted[GROUND] == size * size - count * side * side
    assert picture.getpixel((0, 0)) == picture.getpixel((size - 1, size - 1)) == GROUND


def test_a_mosaic_has_nine_pictures_at_most_and_none_is_empty() -> None:
    faces = [Face(f"u{it}", "x", plain(COLOURS[it])) for it in range(11)]
    assert pictures.group(faces, 96).tobytes() == pictures.group(faces[:9], 96).tobytes()
    assert pictures.group([], 96).getcolors() == [(96 * 96, GROUND)]


def test_a_broken_picture_is_drawn_as_the_letter() -> None:
    whole = plain((1, 2, 3))
    assert pictures.user(Face("u1", "Bo", whole), 48).getcolors() == [(48 * 48, (1, 2, 3))]
    letter = pictures.letter("u1", "Bo", 48).tobytes()
    for broken in (b"nothing", whole[:60], b""):
        assert pictures.user(Face("u1", "Bo", broken), 48).tobytes() == letter


def test_files_keep_pictures_by_id_and_size(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path / "pictures")
    assert files.get("a", 96) is None
    files.put("a", 96, b"small")
    files.put("a", 480, b"large")
    assert (files.get("a", 96), files.get("a", 480), files.get("b", 96)) == (
        b"small",
        b"large",
        None,
    )
    assert PictureFiles(tmp_path / "pictures").get("a", 96) == b"small"
    for wrong in ("", "../a", "a/b", "头像"):
        with pytest.raises(ValueError, match="no id"):
            files.get(wrong, 96)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: bytes) -> None:
    files = PictureFiles(tmp_path)
    files.put("a", 96, b"small")
    [path] = tmp_path.iterdir()
    path.write_bytes(damage)
    assert files.get("a", 96) is None
    assert not path.exists()


def test_files_of_others_do_not_pass_for_a_picture(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path)
    files.put("a", 96, b"small")
    (tmp_path / "a.96").rename(tmp_path / "A.96")
    assert files.get("A", 96) is None


def test_the_folder_stays_below_its_size_and_the_last_used_stay(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path, limit_bytes=500)
    for number in range(4):
        files.put(f"p{number}", 96, bytes(90))
        os.utime(tmp_path / f"p{number}.96", (number, number))
    assert files.get("p0", 96) == bytes(90)
    files.put("p4", 96, bytes(90))
    assert sum(it.stat().st_size for it in tmp_path.iterdir()) <= 500
    assert sorted(it.name for it in tmp_path.iterdir()) == ["p0.96", "p2.96", "p3.96", "p4.96"]


async def test_a_picture_is_fetched_once_and_again_when_its_file_is_damaged(
    peer: Peer, client: Client
) -> None:
    account = await client.set_avatar(b"an image", (1, 2, 3))
    assert account.avatar_id == "picture-0"
    assert await client.avatar("picture-0", 64) == b"an image"
    assert await client.avatar("picture-0", 96) == b"an image"
    assert peer.accounts.fetched == [("picture-0", 96)]
    assert await client.avatar("picture-0", 192) == b"an image"
    assert peer.accounts.fetched[1:] == [("picture-0", 480)]
    (client.home / "pictures" / "picture-0.96").write_bytes(b"damage")
    assert await client.avatar("picture-0") == b"an image"
    assert peer.accounts.fetched[2:] == [("picture-0", 96)]
    assert (await client.delete_avatar()).avatar_id == ""
    with pytest.raises(NotFound):
        await client.avatar("nothing")
    for image in (b"", bytes(4 * 1024 * 1024 + 1)):
        with pytest.raises(InvalidArgument):
            await client.set_avatar(image)


async def test_who_has_changed_the_picture_is_asked_for_anew(peer: Peer, client: Client) -> None:
    assert await client.avatar_of(YOU) == b""
    peer.accounts.avatars = {"new": b"the new one"}
    peer.accounts.avatar_id = "gone"
    await client.user(YOU, fresh=True)
    peer.accounts.avatar_id = "new"
    assert await client.avatar_of(YOU) == b"the new one"
    assert peer.accounts.fetched == [("gone", 96), ("new", 96)]
    assert (client.known_user(YOU) or await client.me()).avatar_id == "new"
    assert await client.avatar_of("nobody") == b""
