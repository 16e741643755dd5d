"""Brings a service's tables up to its newest revision, with alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from services.common.database import sync_url

SERVICES = Path(__file__).resolve().parent.parent


def _config(service: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SERVICES / service / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def version_table(service: str) -> str:
    """The table that says which revision a service's tables have: one per service."""
    return f"{service}_revision"


def upgrade(service: str, url: str) -> tuple[str | None, str | None]:
    """Runs the missing migrations; returns the revision before and after.

    Running it twice, or twice at once on MySQL, is harmless: a server-wide lock is held.
    """
    config = _config(service)
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            locks = connection.dialect.name in ("mysql", "mariadb")
            name = f"hongyan_migrate_{service}"
            if locks and connection.scalar(sa.text("SELECT GET_LOCK(:n, 120)"), {"n": name}) != 1:
                raise TimeoutError("another migration has been running for two minutes")
            before = _revision(connection, service)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            after = _revision(connection, service)
            connection.commit()
            if locks:
                connection.execute(sa.text("SELECT RELEASE_LOCK(:n)"), {"n": name})
            return before, after
    finally:
        engine.dispose()


def newest(service: str) -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(_config(service)).get_current_head()


def _revision(connection: sa.Connection, service: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": version_table(service)})
    return context.get_current_revision()
