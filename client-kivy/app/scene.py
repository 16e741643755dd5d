"""Draws the place of the first screen: hills over still water, and wild geese on their way."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Colour = tuple[int, int, int]

HORIZON = 0.66
# Drawn larger and made small, since Pillow draws edges without smoothing.
FINER = 2
# Neck and head to the right; x from tail to beak, y upwards.
BODY: tuple[Point, ...] = (
    (-1.02, 0.05),
    (-0.55, 0.12),
    (0.0, 0.17),
    (0.32, 0.15),
    (0.62, 0.12),
    (0.86, 0.15),
    (0.98, 0.15),
    (1.17, 0.07),
    (0.97, 0.05),
    (0.72, 0.01),
    (0.42, -0.04),
    (0.05, -0.12),
    (-0.4, -0.1),
    (-0.8, -0.02),
)
NEAR_WING = ((0.3, 0.1), (0.12, 0.62), (-0.5, 0.98), (-0.32, 0.5), (-0.34, 0.1))
FAR_WING = ((0.36, 0.12), (0.42, 0.6), (0.12, 0.92), (0.08, 0.5), (0.02, 0.12))


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of the scene."""

    sky_high: Colour
    sky_low: Colour
    sun: Colour
    hill: Colour
    reed: Colour
    goose: Colour


def draw(width: int, height: int, palette: Palette) -> Image.Image:
    """Returns the scene in a size."""
    wide, high = width * FINER, height * FINER
    water = round(high * HORIZON)
    image = _sky(wide, water, palette)
    _sun(image, palette)
    _hills(image, palette)
    whole = Image.new("RGB", (wide, high))
    whole.paste(image, (0, 0))
    whole.paste(_water(image, high - water, palette), (0, water))
    _reeds(whole, palette)
    _geese(whole, palette)
    return whole.resize((width, height), Image.Resampling.LANCZOS)


def _mixed(one: Colour, other: Colour, part: float) -> Colour:
    """Returns a colour between two; 0 is the first."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _sky(width: int, height: int, palette: Palette) -> Image.Image:
    column = Image.new("RGB", (1, height))
    for row in range(height):
        part = (row / height) ** 1.25
        column.putpixel((0, row), _mixed(palette.sky_high, palette.sky_low, part))
    return column.resize((width, height))


def _sun(image: Image.Image, palette: Palette) -> None:
    width, height = image.size
    side = max(width, height)
    x, y, radius = width * 0.76, height * 0.36, side * 0.042
    glow = Image.new("L", (width // 8, height // 8))
    wide = radius * 2.4
    ImageDraw.Draw(glow).ellipse([it / 8 for it in (x - wide, y - wide, x + wide, y + wide)], 120)
    glow = glow.filter(ImageFilter.GaussianBlur(radius / 8)).resize((width, height))
    image.paste(palette.sun, (0, 0), glow)
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), palette.sun)


def _hills(image: Image.Image, palette: Palette) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image)
    layers = ((0.30, 0.17, 2.1, 0.4), (0.52, 0.11, 3.4, 2.3), (0.80, 0.055, 5.2, 4.4))
    for nearness, rise, waves, phase in layers:
        colour = _mixed(palette.sky_low, palette.hill, nearness)
        tops = []
        for x in range(0, width + 8, 8):
            turn = x / width * waves
            wave = 0.55 + 0.3 * math.sin(turn + phase) + 0.15 * math.sin(2.7 * turn + 1.7 * phase)
            tops.append((x, height * (1 - rise * max(0.05, wave))))
        draw.polygon([(0, height), *tops, (width, height)], colour)


def _water(above: Image.Image, height: int, palette: Palette) -> Image.Image:
    """Returns the water: what stands above it upside down, calmer and darker to the front."""
    width = above.width
    mirrored = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirrored = mirrored.resize((width, round(mirrored.height * 0.72))).crop((0, 0, width, height))
    if mirrored.height < height:
        mirrored = mirrored.resize((width, height))
    mirrored = mirrored.filter(ImageFilter.GaussianBlur(FINER * 3))
    ground = Image.new("RGB", (1, height))
    front = _mixed(palette.sky_high, palette.hill, 0.35)
    for row in range(height):
        ground.putpixel((0, row), _mixed(palette.sky_low, front, row / height))
    water = Image.blend(mirrored, ground.resize((width, height)), 0.5)
    draw, made = ImageDraw.Draw(water), random.Random(7)
    light = _mixed(palette.sky_low, palette.sun, 0.6)
    for _ in range(46):
        depth = made.random() ** 1.6
        row, long = height * (0.04 + 0.9 * depth), width * (0.015 + 0.05 * made.random())
        left = made.random() * width
        ground_at = _mixed(palette.sky_low, front, row / height)
        colour = _mixed(ground_at, light, 0.35)
        draw.line((left, row, left + long, row), colour, max(1, round(FINER * (0.6 + depth))))
    return water


def _geese(image: Image.Image, palette: Palette) -> None:
    """Draws them as they fly: in two lines that meet at the one who leads."""
    width, height = image.size
    scale = max(width, height) * 0.0125
    lead = (width * 0.27, height * 0.16) if width > height else (width * 0.52, height * 0.1)
    places: list[tuple[Point, float]] = [(lead, 1.0)]
    for step in range(1, 5):
        places.append(((lead[0] - step * scale * 3.1, lead[1] - step * scale * 1.0), 1.0))
        if step < 4:
            places.append(((lead[0] - step * scale * 2.7, lead[1] + step * scale * 1.7), 1.0))
    for number, (place, size) in enumerate(places):
        _goose(image, place, scale * size, 0.62 + 0.38 * math.cos(number * 1.9), palette)


def _goose(image: Image.Image, place: Point, scale: float, lift: float, palette: Palette) -> None:
    draw, tilt = ImageDraw.Draw(image), 0.13

    def put(points: Sequence[Point], colour: Colour) -> None:
        turned = [
            (
                place[0] + scale * (x * math.cos(tilt) - y * math.sin(tilt)),
                place[1] - scale * (x * math.sin(tilt) + y * math.cos(tilt)),
            )
            for x, y in points
        ]
        draw.polygon(turned, colour)

    def wing(corners: Sequence[Point]) -> list[Point]:
        start, lead, tip, trail, end = ((x, y * (0.35 + 0.75 * lift)) for x, y in corners)
        return [*_bent(start, lead, tip), *_bent(tip, trail, end)]

    put(wing(FAR_WING), _mixed(palette.goose, palette.sky_low, 0.35))
    put(BODY, palette.goose)
    put(wing(NEAR_WING), palette.goose)


def _bent(start: Point, towards: Point, end: Point) -> list[Point]:
    """Returns a curve from one point to another that is drawn towards a third."""
    points = []
    for step in range(13):
        t = step / 12
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append(
            (
                a * start[0] + b * towards[0] + c * end[0],
                a * start[1] + b * towards[1] + c * end[1],
            )
        )
    return points


def _reeds(image: Image.Image, palette: Palette) -> None:
    """Draws reeds at the near bank, lower to the middle."""
    width, height = image.size
    draw, made = ImageDraw.Draw(image), random.Random(11)
    side = max(width, height)
    for bank in (-1, 1):
        for _ in range(26):
            inwards = made.random() ** 1.5 * min(width * 0.2, side * 0.17)
            x = inwards if bank < 0 else width - inwards
            tall = side * (0.19 - 0.12 * inwards / (side * 0.17)) * (0.55 + 0.6 * made.random())
            lean = side * 0.03 * (made.random() - 0.35) * -bank
            colour = _mixed(palette.reed, palette.hill, 0.55 * made.random())
            thick = side * 0.0022
            left = _bent((x - thick, height), (x, height - tall * 0.6), (x + lean, height - tall))
            bend, foot = (x + thick, height - tall * 0.6), (x + thick, height)
            right = _bent((x + lean, height - tall), bend, foot)
            draw.polygon([*left, *right], colour)
            if made.random() < 0.35:
                _plume(image, (x + lean, height - tall), side * 0.012, lean, colour)


def _plume(image: Image.Image, tip: Point, size: float, lean: float, colour: Colour) -> None:
    """Draws what a reed bears at its tip: a soft tuft that hangs to where the reed leans."""
    side = 1 if lean > 0 else -1
    foot = (tip[0] - side * size * 0.25, tip[1] + size * 2.6)
    upper = _bent(foot, (tip[0] - side * size * 0.2, tip[1] + size), tip)
    end = (tip[0] + side * size * 0.55, tip[1] + size * 0.5)
    lower = _bent(end, (tip[0] + side * size * 0.6, tip[1] + size * 1.9), foot)
    ImageDraw.Draw(image).polygon([*upper, end, *lower], colour)
