"""What is an emoji in a text: one cluster each, with its tone, its joiners and its flags."""

import re

# Those that are pictures by themselves, by Unicode's property Emoji_Presentation.
_ALWAYS = (
    "⌚⌛⏩-⏬⏰⏳◽◾☔☕♈-♓♿⚓⚡⚪⚫⚽⚾⛄⛅⛎⛔⛪⛲⛳⛵⛺⛽✅✊✋✨❌❎❓-❕❗➕-➗➰➿⬛⬜⭐⭕"
    "\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f21a\U0001f22f"
    "\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251\U0001f300-\U0001f5ff"
    "\U0001f600-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0"
    "\U0001f900-\U0001f9ff\U0001fa70-\U0001faff"
)
# Those that are letters unless a selector or a tone says that they are pictures.
_MARKED = (
    "©®‼⁉™ℹ↔-↙↩↪⌨⏏⏭-⏯⏱⏲⏸-⏺Ⓜ▪▫▶◀◻◼☀-☄☎☑☘☝☠☢☣☦☪☮☯☸-☺♀♂♟♠♣♥♦♨♻♾⚒⚔-⚗⚙⚛⚜⚠⚧⚰⚱⛈⛏⛑⛓⛩⛰⛱⛴⛷-⛹✂✈✉✌✍✏✒✔✖✝✡✳✴❄❇"
    "❣❤➡⤴⤵⬅-⬇〰〽㊗㊙\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f202\U0001f237"
)
_TONE = "[\U0001f3fb-\U0001f3ff]"
_SELECTOR, _NOT, _JOINER = "\ufe0f", "\ufe0e", "\u200d"
_TAGGED = "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
CLUSTER = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]{_SELECTOR}?\u20e3|{_TAGGED}"
    f"|(?:[{_ALWAYS}](?!{_NOT}){_SELECTOR}?{_TONE}?|[{_MARKED}](?:{_SELECTOR}{_TONE}?|{_TONE}))"
    f"(?:{_JOINER}[{_ALWAYS}{_MARKED}]{_SELECTOR}?{_TONE}?)*"
)
LARGE_AT_MOST = 3


def alone(text: str) -> int:
    """Returns how many emoji a text is made of, 0 when there is anything else in it."""
    count, at = 0, 0
    stripped = text.strip()
    for match in CLUSTER.finditer(stripped):
        if stripped[at : match.start()].strip():
            return 0
        count, at = count + 1, match.end()
    return 0 if stripped[at:].strip() else count
