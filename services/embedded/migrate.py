"""Brings the tables of every service up to date, in one process before the local run."""

import sys

import sqlalchemy as sa

from services.common import migrations
from services.common.settings import DatabaseSettings

# One after the other: two that write one SQLite file would be in each other's way.
SERVICES = ("verify", "chat")


def main() -> None:
    url = DatabaseSettings().database_url.get_secret_value()
    for service in SERVICES:
        try:
            before, after = migrations.upgrade(service, url)
        except (sa.exc.SQLAlchemyError, ValueError, OSError) as error:
            sys.exit(f"{service}: the migration failed: {error}")
        print(f"{service}: {before or 'nothing'} → {after}")


if __name__ == "__main__":
    main()
