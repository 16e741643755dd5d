"""Who sees a user's presence."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.add_column(
            sa.Column("presence_hidden", sa.SmallInteger, nullable=False, server_default="0")
        )


def downgrade() -> None:
    with op.batch_alter_table("account") as batch:
        batch.drop_column("presence_hidden")
