"""Handles, what users say of themselves, and who may find, ask and see whom."""

import sqlalchemy as sa
from alembic import op

from services.common.database import id_column_type, text_column_type

revision = "0003"
down_revision = "0002"

NUMBERS = {
    "handle_changed_at": ("0", sa.BigInteger),
    "gender": ("0", sa.SmallInteger),
    "hide_from_handle_search": ("0", sa.SmallInteger),
    "hide_from_email_search": ("0", sa.SmallInteger),
    "add_policy": ("1", sa.SmallInteger),
    "stranger_policy": ("1", sa.SmallInteger),
    "hide_read_receipts": ("0", sa.SmallInteger),
}
TEXTS = {
    "handle": sa.String(20),
    "signature": text_column_type(120),
    "region": text_column_type(64),
}


def upgrade() -> None:
    with op.batch_alter_table("account") as batch:
        for name, (default, type_) in NUMBERS.items():
            batch.add_column(sa.Column(name, type_, nullable=False, server_default=default))
        for name, text in TEXTS.items():
            batch.add_column(sa.Column(name, text, nullable=False, server_default=""))
        batch.add_column(sa.Column("handle_key", id_column_type(20)))
        batch.create_unique_constraint("account_handle", ["handle_key"])


def downgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.drop_constraint("account_handle", type_="unique")
        for name in ("handle_key", *TEXTS, *NUMBERS):
            batch.drop_column(name)
