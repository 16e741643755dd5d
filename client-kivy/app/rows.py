"""What a message, a notice or a time looks like: where its parts are, before there is a widget."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from kivy.metrics import dp

from app import clock, clusters
from app.strings import Words
from app.text import Layout, Run, Span, layout, scaled
from app.thread import Slot
from hongyan_client.model import Conversation, Message, MessageKind, MessageState

PAD_X, PAD_Y = 12.0, 9.0
AVATAR, EDGE, SIDE, FAR = 40.0, 16.0, 66.0, 48.0
RUN_GAP, GAP = 3.0, 12.0
NAME, TIME, NOTICE, DIVIDER, QUOTE, CHIP, CARD = 20.0, 40.0, 14.0, 40.0, 28.0, 28.0, 48.0
CHECK = 38.0
NOTICE_CHARACTERS = 200
# Addresses have no Han letters, which follow them without a space.
LINK = re.compile(r"https?://[^\s<>\"'”’…\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]+", re.I)
NOT_AT_ITS_END = ".,;:!?)]}"
TICKS = {
    "sending": "clock_outline",
    "failed": "alert_circle",
    "stored": "check",
    "received": "check_all",
    "read": "check_all",
}

Box = tuple[float, float, float, float]
"""The left, the distance from the top of the row, the width and the height."""


@dataclass(frozen=True, slots=True)
class Look:
    """What decides how messages look here: who looks, what others are called, and the width."""

    user_id: str
    name: Callable[[str], str]
    message: Callable[[int], Message | None]
    words: Words
    now: datetime
    width: float
    scale: float = 1.0
    conversation: Conversation | None = None
    selecting: bool = False
    selected: frozenset[str] = frozenset()
    taken_back: Callable[[int], str] = field(default=lambda _: "")
    """The text of an own message that was taken back just now, by its seq."""

    @property
    def bubble(self) -> float:
        """How wide the text of a bubble may be."""
        taken = SIDE + FAR + 2 * PAD_X + (CHECK if self.selecting else 0)
        return min(dp(480), self.width - dp(taken))


@dataclass(frozen=True, slots=True)
class Line:
    """A text of a row; `tone` and `span_tone` name colours of the theme."""

    shape: Layout
    left: float
    down: float
    tone: str
    span_tone: str = ""
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """A ground of a row, with the radii of its corners from the upper left one on."""

    box: Box
    tone: str
    alpha: float = 1.0
    radii: tuple[float, float, float, float] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a user."""

    user_id: str
    box: Box


@dataclass(frozen=True, slots=True)
class Sign:
    """An icon of a row."""

    icon: str
    box: Box
    tone: str


@dataclass(frozen=True, slots=True)
class Spot:
    """What can be pressed: bubble, avatar, name, quote, card, chip, tick, again."""

    name: str
    box: Box
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with its parts, in the order in which they are drawn."""

    key: str
    kind: str
    height: float
    text: str
    message: Message | None = None
    mine: bool = False
    tick: str = ""
    fills: tuple[Fill, ...] = ()
    lines: tuple[Line, ...] = ()
    pictures: tuple[Picture, ...] = ()
    signs: tuple[Sign, ...] = ()
    spots: tuple[Spot, ...] = ()
    body: Line | None = None
    """The text that can be chosen from; it is among the lines too."""
    links: tuple[str, ...] = ()


def measure(slot: Slot, look: Look) -> Row:
    """Returns the row of a slot."""
    if slot.kind == "time":
        assert slot.message
        return _middle(slot, clock.full(slot.message.created_at, look.now, look.words), look, TIME)
    if slot.kind == "divider":
        return _divider(slot, look)
    assert slot.message
    if slot.message.kind is MessageKind.TEXT:
        return _Bubble(slot, slot.message, look).row()
    return _notice(slot, slot.message, look)


def links(text: str) -> tuple[Span, ...]:
    """Returns where addresses of the web are in a text; only those that begin with http(s)."""
    found = []
    for match in LINK.finditer(text):
        address = match.group().rstrip(NOT_AT_ITS_END)
        if len(address) > len("https://"):
            found.append((match.start(), match.start() + len(address)))
    return tuple(found)


def _middle(slot: Slot, text: str, look: Look, height: float) -> Row:
    """Returns a row with words in its middle."""
    shape = layout(text, scaled(12, look.scale), look.width - dp(96))
    whole = max(dp(height), shape.height + dp(NOTICE))
    line = Line(shape, (look.width - shape.width) / 2, (whole - shape.height) / 2, "secondary")
    return Row(slot.key, slot.kind, whole, text, slot.message, lines=(line,))


def _divider(slot: Slot, look: Look) -> Row:
    row = _middle(slot, look.words("chat.unread"), look, DIVIDER)
    line = row.lines[0]
    room = max(0.0, line.left - dp(36))
    down = round(row.height / 2)
    fills = (
        Fill((dp(24), down, room, dp(1)), "line"),
        Fill((line.left + line.shape.width + dp(12), down, room, dp(1)), "line"),
    )
    return replace(row, fills=fills, lines=(replace(line, tone="link"),))


def _notice(slot: Slot, message: Message, look: Look) -> Row:
    text = notice(message, look)[:NOTICE_CHARACTERS]
    row = _middle(slot, text, look, NOTICE)
    if not look.taken_back(message.seq):
        return row
    again = layout(look.words("message.again"), scaled(12, look.scale), 1e6)
    line = row.lines[0]
    left = line.left - (again.width + dp(8)) / 2
    behind = left + line.shape.width + dp(8)
    spot = Spot(
        "again",
        (behind - dp(4), 0, again.width + dp(8), row.height),
        look.words("message.again"),
    )
    lines = (replace(line, left=left), Line(again, behind, line.down, "link"))
    return replace(row, lines=lines, spots=(spot,))


class _Bubble:
    """Puts the parts of a message one below the other."""

    def __init__(self, slot: Slot, message: Message, look: Look) -> None:
        self._slot = slot
        self._message = message
        self._look = look
        self._mine = message.sender_id == look.user_id
        self._tone = "mine_text" if self._mine else "peer_text"
        self._fills: list[Fill] = []
        self._lines: list[Line] = []
        self._pictures: list[Picture] = []
        self._signs: list[Sign] = []
        self._spots: list[Spot] = []
        self._text = message.text or look.words("message.card")
        self._indent = dp(CHECK) if look.selecting else 0.0

    def row(self) -> Row:
        """Returns the row."""
        look, message = self._look, self._message
        down = dp(GAP if self._slot.first else RUN_GAP)
        if self._slot.first:
            self._picture(down)
        if label := self._label():
            shape = layout(label, scaled(12, look.scale), look.bubble, one_line=True)
            left = self._indent + dp(SIDE + 1)
            self._lines.append(Line(shape, left, down - dp(1), "secondary"))
            self._spots.append(Spot("name", (left, down - dp(1), shape.width, shape.height)))
            down += dp(NAME)
        box, body, links = self._bubble(down)
        bottom = self._chips(box) if message.reactions else box[1] + box[3]
        status = tick(message, look.conversation, look.user_id) if self._mine else ""
        self._tick(status, box)
        if self._slot.first:
            bottom = max(bottom, dp(GAP + AVATAR))
        if look.selecting:
            self._check(down)
        return Row(
            self._slot.key,
            "bubble",
            bottom,
            self._text,
            message,
            self._mine,
            status,
            tuple(self._fills),
            tuple(self._lines),
            tuple(self._pictures),
            tuple(self._signs),
            tuple(self._spots),
            body,
            links,
        )

    def _label(self) -> str:
        group = self._look.conversation is not None and self._look.conversation.group is not None
        shown = group and self._slot.first and not self._mine
        return self._look.name(self._message.sender_id) if shown else ""

    def _picture(self, down: float) -> None:
        left = self._look.width - dp(EDGE + AVATAR) if self._mine else self._indent + dp(EDGE)
        box = (left, down, dp(AVATAR), dp(AVATAR))
        self._pictures.append(Picture(self._message.sender_id, box))
        self._spots.append(Spot("avatar", box))

    def _check(self, down: float) -> None:
        chosen = self._slot.key in self._look.selected
        icon = "checkbox_marked_circle" if chosen else "checkbox_blank_circle_outline"
        self._signs.append(
            Sign(
                icon,
                (dp(EDGE), down + dp(8), dp(24), dp(24)),
                "accent" if chosen else "secondary",
            )
        )

    # Inside of the bubble

    def _bubble(self, down: float) -> tuple[Box, Line | None, tuple[str, ...]]:
        """Adds what is inside of the bubble, and the bubble; returns its box and the text."""
        count = 0 if self._message.card_user_id else clusters.alone(self._text)
        bare = 0 < count <= clusters.LARGE_AT_MOST and not self._message.quote
        bare = bare and not self._message.forwarded_from
        parts = list(self._parts(count if bare else 0))
        inner = max(width for width, _, _ in parts)
        height = sum(high for _, high, _ in parts) + dp(2 * PAD_Y)
        wide = inner + dp(2 * PAD_X)
        left = self._look.width - dp(SIDE) - wide if self._mine else self._indent + dp(SIDE)
        box = (left, down, wide, height)
        if bare:
            box = (left, down, wide, height - dp(PAD_Y))
        else:
            self._fills.insert(0, self._ground(box))
        self._spots.append(Spot("bubble", box))
        at, body = down + (dp(2) if bare else dp(PAD_Y)), None
        for _, high, put in parts:
            body = put(left + dp(PAD_X), at, inner) or body
            at += high
        spans = body.shape.runs if body else ()
        addresses = tuple(self._text[a:b] for a, b in links(self._text)) if spans else ()
        return box, body, addresses

    def _ground(self, box: Box) -> Fill:
        near, round_ = dp(3), dp(12)
        first = self._slot.first
        radii = (
            near if first and not self._mine else round_,
            near if first and self._mine else round_,
            round_,
            round_,
        )
        return Fill(box, "mine" if self._mine else "peer", 1.0, radii)

    def _parts(
        self, emoji: int
    ) -> Iterator[tuple[float, float, Callable[[float, float, float], Line | None]]]:
        """Returns the width and the height of each part, and what puts it into its place."""
        if self._message.forwarded_from:
            yield self._forwarded()
        if self._message.quote:
            yield self._quote()
        yield self._card() if self._message.card_user_id else self._body(emoji)

    def _forwarded(self) -> tuple[float, float, Callable[[float, float, float], None]]:
        look = self._look
        words = look.words("message.forwarded", name=look.name(self._message.forwarded_from))
        shape = layout(words, scaled(12, look.scale), look.bubble - dp(18), one_line=True)

        def put(left: float, down: float, _: float) -> None:
            side = dp(14)
            self._signs.append(
                Sign("share", (left, down + (shape.height - side) / 2, side, side), self._tone)
            )
            self._lines.append(Line(shape, left + dp(18), down, self._tone))

        return shape.width + dp(18), shape.height + dp(4), put

    def _quote(self) -> tuple[float, float, Callable[[float, float, float], None]]:
        look = self._look
        words = quoted(self._message, look)
        shape = layout(words, scaled(12, look.scale), look.bubble - dp(22), one_line=True)
        high = max(dp(QUOTE), shape.height + dp(10))

        def put(left: float, down: float, inner: float) -> None:
            box = (left, down, inner, high)
            corner = dp(5)
            self._fills.append(Fill(box, self._tone, 0.1, (corner,) * 4))
            self._fills.append(Fill((left, down, dp(3), high), "accent", 1.0, (dp(1.5),) * 4))
            middle = down + (high - shape.height) / 2
            self._lines.append(Line(shape, left + dp(11), middle, self._tone))
            self._spots.append(Spot("quote", box))

        return shape.width + dp(22), high + dp(7), put

    def _body(self, emoji: int) -> tuple[float, float, Callable[[float, float, float], Line]]:
        look, message = self._look, self._message
        size = scaled({0: 15, 1: 42}.get(emoji, 34), look.scale)
        spans = links(self._text)
        shape = layout(self._text, size, look.bubble, spans=spans)
        width, high = shape.width, shape.height
        edited = None
        if message.edited_at:
            edited = layout(look.words("message.edited"), scaled(11, look.scale), 1e6)
            last = max((it.left + it.width for it in _last_line(shape)), default=0.0)
            if last + dp(8) + edited.width <= look.bubble:
                width = max(width, last + dp(8) + edited.width)
            else:
                high += edited.height
                width = max(width, edited.width)

        def put(left: float, down: float, inner: float) -> Line:
            line = Line(shape, left, down, self._tone, self._tone + "_link")
            self._lines.append(line)
            if edited:
                where = left + inner - edited.width
                self._lines.append(Line(edited, where, down + high - edited.height, self._tone))
            return line

        return width, high, put

    def _card(self) -> tuple[float, float, Callable[[float, float, float], None]]:
        look, user_id = self._look, self._message.card_user_id
        width = min(look.bubble, dp(220))
        name = look.name(user_id) or self._message.text
        title = layout(name, scaled(15, look.scale), width - dp(56), one_line=True)
        note = layout(look.words("message.card_note"), scaled(11, look.scale), 1e6)
        high = max(dp(CARD), title.height + note.height)

        def put(left: float, down: float, inner: float) -> None:
            side = dp(44)
            self._pictures.append(Picture(user_id, (left, down + (high - side) / 2, side, side)))
            top = down + (high - title.height - note.height) / 2
            self._lines.append(Line(title, left + dp(54), top, self._tone))
            self._lines.append(Line(note, left + dp(54), top + title.height, self._tone))
            self._spots.append(Spot("card", (left, down, inner, high), name))

        return width, high, put

    # Around it

    def _chips(self, box: Box) -> float:
        """Adds the reactions below the bubble; returns how far down they reach."""
        look = self._look
        high, gap = dp(CHIP), dp(5)
        room = look.bubble + dp(2 * PAD_X)
        lines: list[list[tuple[Layout, bool, str]]] = [[]]
        taken = 0.0
        for it in self._message.reactions:
            text = f"{it.emoji} {len(it.user_ids)}"
            shape = layout(text, scaled(13, look.scale), 1e6)
            wide = shape.width + dp(16)
            if taken and taken + wide > room:
                lines.append([])
                taken = 0.0
            lines[-1].append((shape, look.user_id in it.user_ids, text))
            taken += wide + gap
        down = box[1] + box[3] + dp(4)
        for line in lines:
            whole = sum(shape.width + dp(16) + gap for shape, _, _ in line) - gap
            left = box[0] + box[2] - whole if self._mine else box[0]
            for shape, own, text in line:
                chip = (left, down, shape.width + dp(16), high)
                radii = (high / 2,) * 4
                self._fills.append(Fill(chip, "card", 1.0, radii))
                if own:
                    self._fills.append(Fill(chip, "accent", 0.22, radii))
                middle = down + (high - shape.height) / 2
                self._lines.append(Line(shape, left + dp(8), middle, "text"))
                self._spots.append(Spot("chip", chip, text))
                left += chip[2] + gap
            down += high + dp(4)
        return down - dp(4)

    def _tick(self, status: str, box: Box) -> None:
        if not status:
            return
        side = dp(20) if status == "failed" else dp(15)
        tone = {"failed": "danger", "read": "accent"}.get(status, "secondary")
        place = (box[0] - dp(6) - side, box[1] + box[3] - side - dp(4), side, side)
        self._signs.append(Sign(TICKS[status], place, tone))
        if status == "failed":
            self._spots.append(Spot("tick", (place[0] - dp(8), place[1] - dp(8), dp(36), dp(36))))


def _last_line(shape: Layout) -> Iterable[Run]:
    bottom = max((it.top for it in shape.runs), default=0.0)
    return [it for it in shape.runs if it.top == bottom]


def quoted(message: Message, look: Look) -> str:
    """Returns what is shown of the message that another one answers."""
    assert message.quote
    source = look.message(message.quote.seq)
    if source is None:
        said = look.words("message.elsewhere")
    elif source.kind is MessageKind.TEXT:
        said = look.words("message.card") if source.card_user_id else source.text
    else:
        said = look.words("message.gone")
    return f"{look.name(message.quote.sender_id)}：{' '.join(said.split())}"


def tick(message: Message, conversation: Conversation | None, user_id: str) -> str:
    """Returns what became of an own message: sending, failed, stored, received or read."""
    if message.state is MessageState.SENDING:
        return "sending"
    if message.state is MessageState.FAILED:
        return "failed"
    if conversation is None or conversation.group is not None:
        return "stored"
    if message.seq <= conversation.read_by_others(user_id):
        return "read"
    return "received" if message.seq <= conversation.received_by_others(user_id) else "stored"


def notice(message: Message, look: Look) -> str:
    """Says what an entry is that is no text; "" for what is not shown."""
    words, event = look.words, message.event

    def called(user_id: str) -> str:
        return words("you") if user_id == look.user_id else look.name(user_id)

    name = called(message.sender_id)
    if message.kind is MessageKind.REMOVED:
        return words(f"message.removed.{message.removed}", name=name)
    if message.kind is MessageKind.PIN and message.change:
        return words("event.unpinned" if message.change.removed else "event.pinned", name=name)
    if message.kind is MessageKind.TIMER and message.change:
        seconds = message.change.seconds
        if not seconds:
            return words("event.timer_off", name=name)
        return words("event.timer", name=name, time=words.duration(seconds))
    if message.kind is not MessageKind.EVENT or event is None:
        return ""
    users = "、".join(called(it) for it in event.user_ids)
    key = f"event.{event.what}"
    if event.what == "joined" and event.by_invite:
        key = "event.joined_invite"
    elif event.what == "left" and message.sender_id not in event.user_ids:
        key = "event.removed"
    elif event.what == "announced" and not event.text:
        key = "event.announced_no_more"
    return words(key, name=name, users=users, text=event.text)
