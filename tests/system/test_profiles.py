"""Profiles and pictures by REST, through the gateway."""

import base64

import pytest

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
