"""Bots: whose they are, by what tokens they act, and what they understand."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type

revision = "0004"
down_revision = "0003"

INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.add_column(sa.Column("owner_id", id_column_type()))
    op.create_index("account_by_owner", "account", ["owner_id"])
    with op.batch_alter_table("session") as batch:
        batch.add_column(sa.Column("scopes", sa.SmallInteger))
        batch.add_column(sa.Column("expires_at", sa.BigInteger))
    op.create_index("session_by_expiry", "session", ["expires_at"])
    op.create_table(
        "bot_command",
        sa.Column("user_id", id_column_type(), primary_key=True),
        sa.Column("commands", sa.LargeBinary(65535), nullable=False),
        **INNODB,
    )


def downgrade() -> None:
    op.drop_table("bot_command")
    op.drop_index("session_by_expiry", "session")
    with op.batch_alter_table("session") as batch:
        batch.drop_column("expires_at")
        batch.drop_column("scopes")
    op.drop_index("account_by_owner", "account")
    with op.batch_alter_table("account") as batch:
        batch.drop_column("owner_id")
