"""Contacts, requests to be friends, groups, and the ways into them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0004"
down_revision = "0003"

KIND: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
ADDED = {
    "role": sa.SmallInteger,
    "silenced_until": sa.BigInteger,
    "joined_at": sa.BigInteger,
    "leave_seq": sa.BigInteger,
    "left_at": sa.BigInteger,
    "barred": sa.SmallInteger,
    "request": sa.SmallInteger,
}


def _flag(name: str, type_: Any = sa.SmallInteger) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=False, server_default="0")


def upgrade() -> None:
    with op.batch_alter_table("member") as batch:
        for name, type_ in ADDED.items():
            batch.add_column(_flag(name, type_))
        batch.add_column(
            sa.Column("nickname", text_column_type(64), nullable=False, server_default="")
        )
    op.create_table(
        "chat_group",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("creator_id", id_column_type(), nullable=False),
        sa.Column("client_group_id", id_column_type(), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("name", text_column_type(64), nullable=False),
        sa.Column("may_invite", sa.SmallInteger, nullable=False),
        sa.Column("may_edit", sa.SmallInteger, nullable=False),
        sa.Column("may_announce", sa.SmallInteger, nullable=False),
        _flag("approval"),
        _flag("muted"),
        _flag("large"),
        sa.Column("member_count", sa.Integer, nullable=False),
        sa.Column("announcement", sa.LargeBinary(4096)),
        _flag("announcement_seq", sa.BigInteger),
        _flag("dissolved"),
        sa.UniqueConstraint("creator_id", "client_group_id", name="chat_group_once"),
        **KIND,
    )
    op.create_table(
        "invite",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
        sa.Column("conversation_id", id_column_type(), nullable=False, index=True),
        sa.Column("inviter_id", id_column_type(), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("uses_left", sa.Integer, nullable=False),
        **KIND,
    )
    op.create_table(
        "join_request",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("inviter_id", id_column_type(), nullable=False),
        sa.Column("by_invite", sa.SmallInteger, nullable=False),
        sa.Column("greeting", text_column_type(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Index("join_request_by_user", "user_id"),
        **KIND,
    )
    op.create_table(
        "contact",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("other_id", id_column_type(), primary_key=True),
        sa.Column("friend", sa.SmallInteger, nullable=False),
        sa.Column("remark", text_column_type(64), nullable=False, server_default=""),
        sa.Column("tags", sa.LargeBinary(4096)),
        _flag("starred"),
        _flag("blocked"),
        _flag("friends_since", sa.BigInteger),
        sa.Index("contact_by_other", "other_id"),
        **KIND,
    )
    op.create_table(
        "contact_request",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("other_id", id_column_type(), primary_key=True),
        sa.Column("incoming", sa.SmallInteger, nullable=False),
        sa.Column("greeting", text_column_type(200), nullable=False),
        sa.Column("source", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Index("contact_request_by_time", "user_id", "created_at"),
        **KIND,
    )
    op.create_table(
        "contact_code",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
        sa.Column("user_id", id_column_type(), nullable=False, index=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        **KIND,
    )


def downgrade() -> None:
    for table in (
        "contact_code",
        "contact_request",
        "contact",
        "join_request",
        "invite",
        "chat_group",
    ):
        op.drop_table(table)
    with op.batch_alter_table("member") as batch:
        for name in ("nickname", *ADDED):
            batch.drop_column(name)
