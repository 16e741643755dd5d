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
    # How the member is told outside: not, later of what was missed, or at once of all.
    _number("notify", sa.SmallInteger),
    # In a group: model.MEMBER, ADMIN or OWNER.
    _number("role", sa.SmallInteger),
    sa.Column("nickname", text_column_type(64), nullable=False, server_default=""),
    _number("silenced_until"),
    _number("joined_at"),
    # The last entry that the user sees, when the user is a member no more, and when that was.
    _number("leave_seq"),
    _number("left_at"),
    # In a direct conversation: why the member may not write; model.FREE: the member may.
    _number("barred", sa.SmallInteger),
    # Whether it is in the member's box of requests.
    _number("request", sa.SmallInteger),
    sa.Index("member_by_conversation", "conversation_id", "user_id"),
)

# What a conversation is besides, when it is a group.
chat_group = sa.Table(
    "chat_group",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    # Who made it, and under which id of theirs: so that a retry makes no second one.
    sa.Column("creator_id", id_column_type(), nullable=False),
    sa.Column("client_group_id", id_column_type(), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("name", text_column_type(64), nullable=False),
    # The least role that may do each.
    sa.Column("may_invite", sa.SmallInteger, nullable=False),
    sa.Column("may_edit", sa.SmallInteger, nullable=False),
    sa.Column("may_announce", sa.SmallInteger, nullable=False),
    _number("approval", sa.SmallInteger),
    _number("muted", sa.SmallInteger),
    _number("large", sa.SmallInteger),
    sa.Column("member_count", sa.Integer, nullable=False),
    sa.Column("announcement", sa.LargeBinary(4096)),
    _number("announcement_seq"),
    _number("dissolved", sa.SmallInteger),
    sa.UniqueConstraint("creator_id", "client_group_id", name="chat_group_once"),
)

invite = sa.Table(
    "invite",
    metadata,
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
    sa.Column("conversation_id", id_column_type(), nullable=False, index=True),
    sa.Column("inviter_id", id_column_type(), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    # -1: any number.
    sa.Column("uses_left", sa.Integer, nullable=False),
)

# Who waits to be let into a group.
join_request = sa.Table(
    "join_request",
    metadata,
    sa.Column("conversation_id", id_column_type(), primary_key=True),
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("inviter_id", id_column_type(), nullable=False),
    sa.Column("by_invite", sa.SmallInteger, nullable=False),
    sa.Column("greeting", text_column_type(200), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("join_request_by_user", "user_id"),
)

# What a user is to another: a row each way.
contact = sa.Table(
    "contact",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("other_id", id_column_type(), primary_key=True),
    sa.Column("friend", sa.SmallInteger, nullable=False),
    sa.Column("remark", text_column_type(64), nullable=False, server_default=""),
    # The contract's Contact with nothing but tags, serialized.
    sa.Column("tags", sa.LargeBinary(4096)),
    _number("starred", sa.SmallInteger),
    _number("blocked", sa.SmallInteger),
    _number("friends_since"),
    sa.Index("contact_by_other", "other_id"),
)

# A request to be friends: a row for each of the two, since each sees it its own way.
contact_request = sa.Table(
    "contact_request",
    metadata,
    sa.Column("user_id", id_column_type(), primary_key=True),
    sa.Column("other_id", id_column_type(), primary_key=True),
    sa.Column("incoming", sa.SmallInteger, nullable=False),
    sa.Column("greeting", text_column_type(200), nullable=False),
    sa.Column("source", sa.SmallInteger, nullable=False),
    # A number of the contract's ContactRequestState, but never EXPIRED: the time says that.
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("contact_request_by_time", "user_id", "created_at"),
)

contact_code = sa.Table(
    "contact_code",
    metadata,
    sa.Column("id", id_column_type(), primary_key=True),
    sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
    sa.Column("user_id", id_column_type(), nullable=False, index=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
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
