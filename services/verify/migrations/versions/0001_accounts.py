"""Accounts, codes, sessions and their refresh tokens."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0001"
down_revision = None

INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("email", text_column_type(254), nullable=False, unique=True),
        sa.Column("display_name", text_column_type(64), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        **INNODB,
    )
    op.create_table(
        "code",
        sa.Column("email", text_column_type(254), primary_key=True),
        sa.Column("purpose", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("account_id", id_column_type()),
        **INNODB,
    )
    op.create_table(
        "session",
        sa.Column("session_id", id_column_type(), primary_key=True),
        sa.Column("user_id", id_column_type(), nullable=False),
        sa.Column("device_id", id_column_type(), nullable=False),
        sa.Column("device_name", text_column_type(64), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("refresh_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("former_hash", sa.LargeBinary(32)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        **INNODB,
    )
    op.create_index("session_by_user", "session", ["user_id", "device_id"])
    op.create_index("session_by_end", "session", ["ended_at"])
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", id_column_type(), primary_key=True),
        sa.Column("session_id", id_column_type(), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        **INNODB,
    )
    op.create_index("refresh_token_by_session", "refresh_token", ["session_id", "created_at"])


def downgrade() -> None:
    for table in ("refresh_token", "session", "code", "account"):
        op.drop_table(table)
