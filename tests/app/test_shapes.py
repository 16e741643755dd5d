"""Rounded shapes: which pixels they fill."""

from collections.abc import Sequence

import pytest
from PIL import Image


def drawn(size: tuple[int, int], radius: Sequence[float], *, later: bool) -> Image.Image:
    """Returns how a white shape looks, with its size and radius from the start or set later."""
    import kivy.core.window  # noqa: F401, PLC0415 - it opens the window
    from kivy.graphics import Color, Fbo  # noqa: PLC0415

    from app.shapes import RoundRect  # noqa: PLC0415

    fbo = Fbo(size=(60, 60))
    with fbo:
        Color(1, 1, 1, 1)
        if later:
            shape = RoundRect()
            shape.pos, shape.size, shape.radius = (10, 10), size, radius
        else:
            RoundRect(pos=(10, 10), size=size, radius=radius)
    fbo.draw()
    image = Image.frombytes("RGBA", fbo.size, fbo.pixels).getchannel("A")
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("size", "radius"),
    [((40, 30), (8,)), ((40, 30), (0, 8, 8, 8)), ((3, 28), (2,)), ((31, 17), ()), ((20, 20), ())],
)
def test_a_shape_fills_what_it_should(
    size: tuple[int, int], radius: Sequence[float], later: bool
) -> None:
    image = drawn(size, radius, later=later)
    width, height = size
    left, top, right, bottom = 10, 50 - height, 10 + width, 50
    assert image.getbbox() == (left, top, right, bottom)
    solid = image.crop((left + width // 2, top, left + width // 2 + 1, bottom))
    assert set(solid.tobytes()) == {255}, "from the top to the bottom in the middle"
    solid = image.crop((left, top + height // 2, right, top + height // 2 + 1))
    assert set(solid.tobytes()) == {255}, "and from the left to the right"
    corners = [(left, top), (right - 1, top), (right - 1, bottom - 1), (left, bottom - 1)]
    radii = [min(it, min(size) // 2) for it in (radius or (99,)) * (4 // len(radius or (0,)))]
    for place, it in zip(corners, radii, strict=True):
        found = image.getpixel(place)
        assert found == 255 if it == 0 else found < 255, place
    # A quarter of a circle is as much smaller than its square.
    missing = sum(255 - it for it in image.crop((left, top, right, bottom)).tobytes()) / 255
    assert missing == pytest.approx(sum((1 - 3.1416 / 4) * it * it for it in radii), abs=2)
