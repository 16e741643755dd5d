"""Profiles, pictures, and the accounts that are to be forgotten."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0003"
down_revision = "0002"

INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
NUMBERS = {
    "kind": "1",
    "gender": "0",
    "hide_from_handle_search": "0",
    "hide_from_email_search": "0",
    "add_policy": "1",
    "stranger_policy": "1",
    "hide_read_receipts": "0",
}
TEXTS = {
    "handle": id_column_type(20),
    "avatar_id": id_column_type(),
    "signature": text_column_type(120),
    "region": text_column_type(64),
}


def upgrade() -> None:
    with op.batch_alter_table("account") as batch:
        for name, value in NUMBERS.items():
            batch.add_column(sa.Column(name, sa.SmallInteger, nullable=False, server_default=value))
        for name, kind in TEXTS.items():
            batch.add_column(sa.Column(name, kind, nullable=False, server_default=""))
        batch.add_column(sa.Column("handle_key", id_column_type(20)))
        batch.add_column(sa.Column("handle_set_at", sa.BigInteger))
        batch.add_column(sa.Column("deleted_at", sa.BigInteger))
    op.create_index("account_by_handle", "account", ["handle_key"], unique=True)
    op.create_table(
        "avatar",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("avatar_id", id_column_type(), nullable=False),
        # With this length it is a MEDIUMBLOB.
        sa.Column("image", sa.LargeBinary(1 << 20), nullable=False),
        **INNODB,
    )
    op.create_index("avatar_by_id", "avatar", ["avatar_id", "size"])
    op.create_table(
        "erasure",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        **INNODB,
    )
    op.create_index("erasure_by_time", "erasure", ["due_at"])


def downgrade() -> None:
    op.drop_table("erasure")
    op.drop_table("avatar")
    op.drop_index("account_by_handle", "account")
    with op.batch_alter_table("account") as batch:
        for name in (*NUMBERS, *TEXTS, "handle_key", "handle_set_at", "deleted_at"):
            batch.drop_column(name)
