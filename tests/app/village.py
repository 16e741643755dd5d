"""A small world to take pictures of: people with faces, chats with something to say, a group."""

import asyncio
import colorsys
import io
import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from hongyan_client.model import Message
from tests.faults.people import Device, Town

TALK = (
    ("bo", "早！昨晚的照片我看了，山顶的云海太美了 ☁️"),
    ("ling", "是吧 😄 早起两小时也值了"),
    ("bo", "下次带上我"),
    ("bo", "我可以开车"),
    ("ling", "好啊，周六怎么样？"),
    ("bo", "周六可以！几点出发？我查了一下路线，走高速大约一个半小时，山路还要四十分钟。"),
    ("ling", "六点半地铁站 B 口见，记得带伞 🌂 天气预报说下午可能有雨。Bring some water, too."),
    ("bo", "🎉🎉"),
    ("ling", "路线在这里 https://example.org/routes/cloud-sea?day=6"),
    ("bo", "收到，谢谢！"),
)
GROUP_TALK = (
    ("mei", "这周六的爬山还有谁来？"),
    ("wang", "我来，我带水果 🍎"),
    ("kai", "Count me in! What time do we meet?"),
    ("bo", "六点半，地铁站 B 口"),
    ("ling", "我订好了山顶的早餐，六个人的"),
    ("mei", "灵灵最靠谱 👍🏽"),
    ("wang", "家里有事，可能要晚到十分钟，你们先上车，我自己赶过去跟上大家。"),
)
NAMES = {"bo": "波波", "mei": "梅子", "wang": "老王", "kai": "Kai", "an": "安娜", "zhou": "小周"}
SIGNATURES = {"bo": "在路上", "mei": "爱吃火锅 🍲", "kai": "Mountains are calling"}
STRANGERS = {
    "chen": ("陈先生", "你好，我是做摄影的小陈"),
    "amy": ("Amy", "Hi! We met at the workshop"),
}


@dataclass
class Village:
    """Who lives there, and which chats there are."""

    town: Town
    ling: Device
    people: dict[str, Device] = field(default_factory=dict)
    direct: str = ""
    group: str = ""
    notes: list[str] = field(default_factory=list)


async def settle(town: Town, ling: Device) -> Village:
    """Builds it around somebody who has just registered."""
    village = Village(town, ling)
    await ling.client.update_me(
        display_name="灵灵", handle="ling_yun", signature="见字如面", region="杭州"
    )
    await ling.client.set_avatar(portrait(3))
    for seed, (key, name) in enumerate(NAMES.items()):
        device = await town.newcomer(key)
        values = {"display_name": name, "signature": SIGNATURES.get(key, "")}
        await device.client.update_me(**values, handle=f"{key}_{len(key)}x{seed}a7")
        if seed % 3 != 2:
            await device.client.set_avatar(portrait(seed + 11))
        village.people[key] = device
        await befriend(ling, device)
    for key, (name, greeting) in STRANGERS.items():
        stranger = await town.newcomer(key)
        await stranger.client.update_me(display_name=name)
        await stranger.client.request_contact(ling.client.user_id, greeting=greeting)
        village.people[key] = stranger
    await chats(village)
    await groups(village)
    return village


async def befriend(one: Device, other: Device) -> None:
    """Makes two friends."""
    await one.client.request_contact(other.client.user_id, greeting="我们认识一下")
    async with asyncio.timeout(30):
        while not any(
            it.user_id == one.client.user_id for it in await other.client.contact_requests()
        ):
            await asyncio.sleep(0.02)
    await other.client.accept_contact(one.client.user_id)


async def say(device: Device, conversation_id: str, text: str, **options: Any) -> Message:
    """Says something and waits until it is stored."""
    sent = await device.client.send(conversation_id, text, **options)
    return await device.client.settled(sent.client_message_id, 30)


async def chats(village: Village) -> None:
    """Fills the direct chats: one long, one with something new, one muted, one with a draft."""
    client, people = village.ling.client, village.people
    village.direct = await open_direct(village, "bo")
    stored = []
    for who, text in TALK:
        speaker = village.ling if who == "ling" else people[who]
        quote = stored[4].seq if text.startswith("周六可以") else 0
        stored.append(await say(speaker, village.direct, text, quote_seq=quote))
    bo = people["bo"].client
    await bo.react(village.direct, stored[6].seq, "👍")
    await client.react(village.direct, stored[5].seq, "❤️")
    mei = await open_direct(village, "mei")
    await say(people["mei"], mei, "晚上一起吃饭？🍲")
    await say(people["mei"], mei, "老地方")
    wang = await open_direct(village, "wang")
    await say(people["wang"], wang, "[群公告] 明天停水通知")
    await client.update_settings(wang, muted_until=datetime.now(UTC) + timedelta(days=300))
    kai = await open_direct(village, "kai")
    await say(people["kai"], kai, "See you on Saturday!")
    await client.update_settings(kai, draft="好的，那我们")
    an = await open_direct(village, "an")
    await say(village.ling, an, "生日快乐 🎂")
    await people["bo"].client.mark_read_now(village.direct, len(TALK) + 1)
    await client.mark_read_now(village.direct, len(TALK) + 1)


async def open_direct(village: Village, key: str) -> str:
    """Returns the chat with somebody."""
    user_id = village.people[key].client.user_id
    return (await village.ling.client.open_direct(user_id)).conversation_id


async def groups(village: Village) -> None:
    """Makes a group that has an announcement, an admin and something to read."""
    client, people = village.ling.client, village.people
    members = [people[key].client.user_id for key in ("bo", "mei", "wang", "kai", "zhou")]
    made = await client.create_group("周末爬山", members)
    village.group = made.conversation_id
    await client.announce(village.group, "周六 6:30 地铁站 B 口集合，带伞和水。")
    await client.set_role(village.group, members[1], "admin")
    for who, text in GROUP_TALK:
        speaker = village.ling if who == "ling" else people[who]
        await say(speaker, village.group, text)
    await say(people["mei"], village.group, "@灵灵 几个人？", mentions=[client.user_id])
    await client.update_settings(village.group, pinned=True)
    await client.create_group("读书会", members[:2])
    for key in ("bo", "mei"):
        remark = {"bo": "波波（开车）"}.get(key)
        await client.update_contact(people[key].client.user_id, remark=remark, tags=["爬山"])
    await client.update_contact(people["mei"].client.user_id, starred=True)


def portrait(seed: int, side: int = 480) -> bytes:
    """Returns a picture that could be somebody's: hills under a sky, a sun, colours by the seed."""
    made = random.Random(seed)
    hue = made.random()
    image = Image.new("RGB", (side, side))
    draw = ImageDraw.Draw(image)
    for row in range(side):
        draw.line((0, row, side, row), fill=tint(hue, 0.35, 0.98 - 0.35 * row / side))
    sun = made.randint(side // 5, side * 3 // 5)
    draw.ellipse((sun, side // 6, sun + side // 5, side // 6 + side // 5), fill=(255, 244, 214))
    for layer in range(3):
        base, swing = side * (0.55 + 0.13 * layer), side * (0.1 - 0.02 * layer)
        phase = made.random() * 6
        points = [
            (x, base + swing * math.sin(phase + x / side * (5 + 2 * layer)))
            for x in range(side + 1)
        ]
        colour = tint(hue + 0.08 * layer, 0.5, 0.62 - 0.16 * layer)
        draw.polygon([*points, (side, side), (0, side)], fill=colour)
    out = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def tint(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    """Returns a colour of 0 to 255 from hue, saturation and value of 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, max(0.0, min(1.0, value)))
    return round(red * 255), round(green * 255), round(blue * 255)
