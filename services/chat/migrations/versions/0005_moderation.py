"""Reports, announcements, and the audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0005"
down_revision = "0004"

KIND: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
TEXT_BYTES = 65_535


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("reporter_id", id_column_type(), nullable=False),
        sa.Column("user_id", id_column_type(), nullable=False),
        sa.Column("category", sa.SmallInteger, nullable=False),
        sa.Column("text", text_column_type(1000), nullable=False),
        sa.Column("open_key", id_column_type(250), unique=True),
        sa.Column("conversation_id", id_column_type(), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=False),
        sa.Column("said", sa.LargeBinary(TEXT_BYTES), nullable=False),
        sa.Column("closed_at", sa.BigInteger, nullable=False),
        sa.Column("closed_by", id_column_type(), nullable=False),
        sa.Column("note", text_column_type(500), nullable=False),
        **KIND,
    )
    op.create_index("report_by_state", "report", ["closed_at", "id"])
    op.create_table(
        "announcement",
        sa.Column("id", id_column_type(), primary_key=True),
        sa.Column("client_id", id_column_type(), nullable=False, unique=True),
        sa.Column("sender_id", id_column_type(), nullable=False),
        sa.Column("text", sa.LargeBinary(TEXT_BYTES), nullable=False),
        sa.Column("admin", id_column_type(), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("told", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("after_user_id", id_column_type(), nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger, nullable=False),
        **KIND,
    )
    op.create_index("announcement_by_state", "announcement", ["finished_at", "lease_until"])
    op.create_table(
        "chat_audit",
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
    for table in ("chat_audit", "announcement", "report"):
        op.drop_table(table)
