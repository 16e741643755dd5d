"""The history of a load, and the checker that holds it against the database and the promises."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa

from services.chat import bodies
from services.chat.model import TEXTS
from services.common.database import sync_url


@dataclass(frozen=True, slots=True)
class Row:
    """A message in the database."""

    conversation_id: str
    seq: int
    sender_id: str
    client_message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a device put into its outbox."""

    conversation_id: str
    sender_id: str
    client_message_id: str
    text: str


@dataclass(slots=True)
class History:
    """What devices did and saw, in the order of each device."""

    sent: list[Sent] = field(default_factory=list)
    acked: list[tuple[str, int]] = field(default_factory=list)
    """(client_message_id, seq), each time the server said so."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """(client_message_id, reason) of what was refused for good."""
    shown: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """What each device showed, in that order."""
    members: dict[str, set[str]] = field(default_factory=dict)
    """The devices that should have seen a conversation."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found. Everything but the first four must be 0."""

    name: str
    kills: int
    messages: int
    acked: int
    lost: int
    duplicates: int
    holes: int
    disorders: int
    failed: int

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.duplicates or self.holes or self.disorders or self.failed)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.kills} kills, {self.messages} messages, {self.acked} acked, "
            f"{self.lost} lost, {self.duplicates} duplicates, {self.holes} holes, "
            f"{self.disorders} disorders, {self.failed} failed"
        )


@dataclass(frozen=True, slots=True)
class Log:
    """What the database holds."""

    rows: tuple[Row, ...]
    heads: dict[str, int]
    """last_seq by conversation."""


def read_log(url: str) -> Log:
    """Reads the whole log."""
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT conversation_id, seq, sender_id, client_message_id, kind, body "
                "FROM message ORDER BY conversation_id, seq"
            )
        ).all()
        heads = connection.execute(sa.text("SELECT id, last_seq FROM conversation")).all()
    engine.dispose()
    return Log(
        tuple(Row(*row[:4], _text(row.kind, bytes(row.body))) for row in rows),
        {id: seq for id, seq in heads},
    )


def _text(kind: int, body: bytes) -> str:
    """Returns what an entry says; one that says nothing has its body's digits for that."""
    return bodies.text_of(kind, body) if kind in TEXTS else body.hex()


def check(name: str, kills: int, history: History, log: Log) -> Verdict:
    """Holds a history against the log: G1 to G4 and G7 of docs/protocol.md."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    by_conversation: dict[str, list[Row]] = defaultdict(list)
    for row in log.rows:
        by_id[row.client_message_id].append(row)
        by_conversation[row.conversation_id].append(row)
    return Verdict(
        name,
        kills,
        messages=len(history.sent),
        acked=len({client_message_id for client_message_id, _ in history.acked}),
        lost=_lost(history, by_id, by_conversation),
        duplicates=_duplicates(history, by_id),
        holes=_holes(history, log, by_conversation),
        disorders=_disorders(history, by_conversation),
        failed=len(history.failed),
    )


def _lost(
    history: History, by_id: dict[str, list[Row]], by_conversation: dict[str, list[Row]]
) -> int:
    """Counts acks without their row, texts that changed, and rows that a device never showed."""
    sent = {one.client_message_id: one for one in history.sent}
    lost = 0
    for client_message_id, seq in history.acked:
        fitting = [row for row in by_id[client_message_id] if row.seq == seq]
        lost += not fitting or fitting[0].text != sent[client_message_id].text
    for conversation_id, devices in history.members.items():
        wanted = {row.seq for row in by_conversation[conversation_id]}
        for device in devices:
            shown = {
                row.seq for row in history.shown[device] if row.conversation_id == conversation_id
            }
            lost += len(wanted - shown)
    return lost


def _duplicates(history: History, by_id: dict[str, list[Row]]) -> int:
    """Counts rows, numbers and showings beyond the first of a message."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for client_message_id, seq in history.acked:
        numbers[client_message_id].add(seq)
    extra = sum(len(rows) - 1 for rows in by_id.values())
    extra += sum(len(seqs) - 1 for seqs in numbers.values())
    for rows in history.shown.values():
        seen = Counter((row.conversation_id, row.seq) for row in rows)
        extra += sum(count - 1 for count in seen.values())
    return extra


def _holes(history: History, log: Log, by_conversation: dict[str, list[Row]]) -> int:
    """Counts conversations whose numbers are not 1 to last_seq."""
    return sum(
        [row.seq for row in by_conversation[id]] != list(range(1, last_seq + 1))
        for id, last_seq in log.heads.items()
    )


def _disorders(history: History, by_conversation: dict[str, list[Row]]) -> int:
    """Counts devices that showed out of order, and senders whose order was changed."""
    wrong = 0
    for rows in history.shown.values():
        by_place: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            by_place[row.conversation_id].append(row.seq)
        wrong += sum(seqs != sorted(seqs) for seqs in by_place.values())
    order = {one.client_message_id: place for place, one in enumerate(history.sent)}
    for rows in by_conversation.values():
        by_sender: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            if row.client_message_id in order:
                by_sender[row.sender_id].append(order[row.client_message_id])
        wrong += sum(places != sorted(places) for places in by_sender.values())
    return wrong
