"""Profiles and pictures by REST, through the gateway."""

import base64
import io
import os

import pytest
from PIL import Image

from tests.faults.people import Town
from tests.system.test_rest import rest, script  # noqa: F401
from tests.unit.verify.test_avatars import encoded, halves, opened

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_profile_is_changed_and_a_picture_is_an_image(town: Town, rest):  # noqa: F811
    call = await script(await town.newcomer("ling", start=False), rest)
    changed = await call("UpdateMe", {"signature": "飞鸿踏雪"}, {"update_mask": "signature"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["me"]["signature"] == "飞鸿踏雪"
    image = base64.b64encode(encoded(halves())).decode()
    answer = await call("SetAvatar", {"image": image})
    assert answer.status_code == 200, answer.text
    picture = await call(
        "GetAvatar", None, {"size": 480}, avatar_id=answer.json()["me"]["avatar_id"]
    )
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/webp"
    assert picture.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert opened(picture.content).size == (480, 480)


async def test_a_picture_of_4_mib_passes_the_gateway_and_a_larger_one_does_not(
    town: Town,
    rest,  # noqa: F811
):
    call = await script(await town.newcomer("ling", start=False), rest)
    noise = io.BytesIO()
    Image.frombytes("RGB", (1180, 1180), os.urandom(1180 * 1180 * 3)).save(noise, "PNG")
    data = noise.getvalue()
    assert 3_900_000 < len(data) < 4_194_304
    answer = await call("SetAvatar", {"image": base64.b64encode(data).decode()})
    assert answer.status_code == 200, answer.text
    for size, expected in ((4_194_305, 400), (5_000_000, 413)):
        answer = await call("SetAvatar", {"image": base64.b64encode(bytes(size)).decode()})
        assert answer.status_code == expected, answer.text
