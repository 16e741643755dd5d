"""What messages can be found by."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0003"
down_revision = "0002"

KIND: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    op.create_table(
        "search_head",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        **KIND,
    )
    op.create_table(
        "search_gram",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("gram", text_column_type(32), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
        **KIND,
    )
    op.create_table(
        "search_document",
        sa.Column("conversation_id", id_column_type(), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("grams", sa.LargeBinary(262144), nullable=False),
        **KIND,
    )


def downgrade() -> None:
    for table in ("search_document", "search_gram", "search_head"):
        op.drop_table(table)
