"""Conversations, their members and messages."""

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("pair", id_column_type(129), unique=True),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("member_version", sa.BigInteger, nullable=False),
        sa.Column("active_at", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "member",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("read_seq", sa.BigInteger, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_index("member_by_conversation", "member", ["conversation_id", "user_id"])
    op.create_table(
        "message",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sender_id", id_column_type(), nullable=False),
        sa.Column("client_message_id", id_column_type(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint(
            "conversation_id", "sender_id", "client_message_id", name="message_once"
        ),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


def downgrade() -> None:
    op.drop_table("message")
    op.drop_table("member")
    op.drop_table("conversation")
