"""How alembic runs verify's migrations, on the connection that it is given."""

from alembic import context

from services.common.migrations import version_table

context.configure(
    connection=context.config.attributes["connection"], version_table=version_table("verify")
)
with context.begin_transaction():
    context.run_migrations()
