"""Codes by which another device logs in."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0006"
down_revision = "0005"

KIND: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    op.create_table(
        "login_code",
        sa.Column("code_id", id_column_type(), primary_key=True),
        sa.Column("user_id", id_column_type(), nullable=False),
        sa.Column("session_id", id_column_type(), nullable=False),
        sa.Column("code_hash", id_column_type(), nullable=False, unique=True),
        sa.Column("claim_hash", id_column_type(), unique=True),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("device_id", id_column_type(), nullable=False),
        sa.Column("device_name", text_column_type(64), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("number", id_column_type(4), nullable=False),
        **KIND,
    )
    op.create_index("login_code_by_session", "login_code", ["session_id"])
    op.create_index("login_code_by_expiry", "login_code", ["expires_at"])


def downgrade() -> None:
    op.drop_table("login_code")
