"""What a conversation can do: changes of messages, cursors, settings, notifications."""

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0002"
down_revision = "0001"

ADDED = {
    "conversation": {"shown_seq": sa.BigInteger, "disappear_seconds": sa.Integer},
    "member": {
        "received_seq": sa.BigInteger,
        "moved_at": sa.BigInteger,
        "pinned": sa.SmallInteger,
        "muted_until": sa.BigInteger,
        "archived": sa.SmallInteger,
        "marked_unread": sa.SmallInteger,
        "cleared_seq": sa.BigInteger,
        "removed": sa.SmallInteger,
        "hides": sa.Integer,
        "notify": sa.SmallInteger,
    },
    "message": {
        "edited_seq": sa.BigInteger,
        "edited_at": sa.BigInteger,
        "reacted": sa.SmallInteger,
        "expires_at": sa.BigInteger,
    },
}


def upgrade() -> None:
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name, type_ in columns.items():
                batch.add_column(sa.Column(name, type_, nullable=False, server_default="0"))
            if table == "member":
                batch.add_column(sa.Column("draft", sa.LargeBinary(16384)))
    op.execute("UPDATE conversation SET shown_seq = last_seq")
    op.create_table(
        "reaction",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("emoji", text_column_type(32), primary_key=True),
        sa.Column("given_seq", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "pin",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("given_seq", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "mention",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "hidden",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "expiry",
        sa.Column("expires_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "user_state",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "user_change",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary(65535), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "push_registration",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("user_id", id_column_type(), nullable=False, index=True),
        sa.Column("session_id", id_column_type(), nullable=False, unique=True),
        sa.Column("provider", id_column_type(32), nullable=False),
        sa.Column("target", sa.LargeBinary(4096), nullable=False),
        sa.Column("show_content", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "outbox",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("kind", id_column_type(16), nullable=False),
        sa.Column("dedupe_key", id_column_type(190), nullable=False, unique=True),
        sa.Column("payload", sa.LargeBinary(65535), nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


def downgrade() -> None:
    for table in (
        "outbox",
        "push_registration",
        "user_change",
        "user_state",
        "expiry",
        "hidden",
        "mention",
        "pin",
        "reaction",
    ):
        op.drop_table(table)
    for table, columns in ADDED.items():
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)
            if table == "member":
                batch.drop_column("draft")
