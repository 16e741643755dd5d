"""Chat's tables."""

import sqlalchemy as sa

from services.chat.grams import LENGTH
from services.common.database import id_column_type, text_column_type

EMOJI_CHARACTERS = 32


def _number(name: str, type_: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    """A number that begins at 0, also in rows of before."""
    return sa.Column(name, type_, nullable=False, server_default="0")


metadata = sa.MetaData()

conversation = sa.Table(
    "conversation",
    metadata,
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    # The two user ids of a direct conversation, sorted: so that there is one for the two.
    sa.Column("pair", id_column_type(129), unique=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("member_version", sa.BigInteger, nullable=False),
    sa.Column("active_at", sa.BigInteger, nullable=False),
    # The newest entry that a list shows: a text, a timer, or what is left of one.
    _number("shown_seq"),
    _number("disappear_seconds", sa.Integer),
)

member = sa.Table(
    "member",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("read_seq", sa.BigInteger, nullable=False),
    _number("received_seq"),
    # When one of the two cursors moved last, in microseconds since 1970 UTC.
    _number("moved_at"),
    # What the conversation is to this member.
    _number("pinned", sa.SmallInteger),
    _number("muted_until"),
    _number("archived", sa.SmallInteger),
    _number("marked_unread", sa.SmallInteger),
    _number("cleared_seq"),
    _number("removed", sa.SmallInteger),
    sa.Column("draft", sa.LargeBinary(16384)),
    # How many messages the member has hidden here.
    _number("hides", sa.Integer),
    # Whether the member has a push registration.
    _number("notify", sa.SmallInteger),
    sa.Index("member_by_conversation", "conversation_id", "user_id"),
)

message = sa.Table(
    "message",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sender_id", id_column_type(), nullable=False),
    sa.Column("client_message_id", id_column_type(), nullable=False),
    sa.Column("content_hash", sa.LargeBinary(16), nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    # The newest edit of it, and when that was.
    _number("edited_seq"),
    _number("edited_at"),
    # Whether it has rows in reaction.
    _number("reacted", sa.SmallInteger),
    _number("expires_at"),
    sa.UniqueConstraint("conversation_id", "sender_id", "client_message_id", name="message_once"),
)

reaction = sa.Table(
    "reaction",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("emoji", text_column_type(EMOJI_CHARACTERS), primary_key=True),
    # The seq of the entry that gave it, which orders them.
    sa.Column("given_seq", sa.BigInteger, nullable=False),
)

pin = sa.Table(
    "pin",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("given_seq", sa.BigInteger, nullable=False),
)

# Who is mentioned where; changes.EVERYBODY stands for all members.
mention = sa.Table(
    "mention",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
)

hidden = sa.Table(
    "hidden",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
)

# What disappears, by when.
expiry = sa.Table(
    "expiry",
    metadata,
    sa.Column("expires_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
)

user_state = sa.Table(
    "user_state",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

user_change = sa.Table(
    "user_change",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary(65535), nullable=False),
)

push_registration = sa.Table(
    "push_registration",
    metadata,
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("user_id", id_column_type(), nullable=False, index=True),
    sa.Column("session_id", id_column_type(), nullable=False, unique=True),
    sa.Column("provider", id_column_type(32), nullable=False),
    # The contract's WebPush or PushToken, serialized.
    sa.Column("target", sa.LargeBinary(4096), nullable=False),
    sa.Column("show_content", sa.SmallInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

# What is to be done outside because of a commit, written in its transaction.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("kind", id_column_type(16), nullable=False),
    # What makes it one: a second row of the same key is refused.
    sa.Column("dedupe_key", id_column_type(190), nullable=False, unique=True),
    sa.Column("payload", sa.LargeBinary(65535), nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
)

MESSAGE = (
    message.c.conversation_id,
    message.c.seq,
    message.c.sender_id,
    message.c.client_message_id,
    message.c.kind,
    message.c.body,
    message.c.created_at,
    message.c.edited_seq,
    message.c.edited_at,
    message.c.reacted,
    message.c.expires_at,
)
"""The columns of model.Message, in its order."""
# Which part of a log can be found by its words: from first_seq to last_seq.
search_head = sa.Table(
    "search_head",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)

# In which messages a gram is: what a search reads.
search_gram = sa.Table(
    "search_gram",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("gram", text_column_type(LENGTH), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Which grams a message has in search_gram, so that they can be taken out again.
search_document = sa.Table(
    "search_document",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    # In UTF-8, with spaces between them.
    sa.Column("grams", sa.LargeBinary(262144), nullable=False),
)
