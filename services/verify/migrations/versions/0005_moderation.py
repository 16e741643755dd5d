"""Suspended accounts, and the audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0005"
down_revision = "0004"

KIND: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    op.create_table(
        "suspension",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("reason", text_column_type(500), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        **KIND,
    )
    op.create_table(
        "verify_audit",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("admin", id_column_type(), nullable=False),
        sa.Column("rpc", id_column_type(190), nullable=False),
        sa.Column("request", sa.LargeBinary(65535), nullable=False),
        sa.Column("reason", text_column_type(500), nullable=False),
        sa.Column("outcome", id_column_type(32), nullable=False),
        sa.Column("refusal", id_column_type(), nullable=False),
        **KIND,
    )


def downgrade() -> None:
    op.drop_table("verify_audit")
    op.drop_table("suspension")
