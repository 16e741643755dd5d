"""What must hold after every fault test, whatever it did."""

import re
import time

import sqlalchemy as sa

from loadtest.accounts import PASSWORD
from services.common.database import sync_url
from services.embedded.system import SERVICES
from tests.faults.people import CANARY, Town

OUTBOX_SECONDS = 300
COUNTS = {
    "a conversation's numbers are not 1 to last_seq": (
        "SELECT COUNT(*) FROM (SELECT c.id FROM conversation c LEFT JOIN message m"
        " ON m.conversation_id = c.id GROUP BY c.id, c.last_seq"
        " HAVING COALESCE(MAX(m.seq), 0) <> COUNT(m.seq) OR c.last_seq <> COUNT(m.seq)) wrong"
    ),
    "a read cursor is beyond its conversation": (
        "SELECT COUNT(*) FROM member m JOIN conversation c ON c.id = m.conversation_id"
        " WHERE m.read_seq > c.last_seq"
    ),
    "an outbox row is old": "SELECT COUNT(*) FROM outbox WHERE due_at < :old",
    "a session without its account": (
        "SELECT COUNT(*) FROM session s LEFT JOIN account a ON a.user_id = s.user_id"
        " WHERE a.user_id IS NULL"
    ),
}


def broken(town: Town) -> list[str]:
    """Returns what does not hold in the database and in the services' logs."""
    return [*_in_database(town.system.database_url), *secrets_in_logs(town)]


def _in_database(url: str) -> list[str]:
    old = round((time.time() - OUTBOX_SECONDS) * 1_000_000)
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = [
            f"{what}: {count}"
            for what, statement in COUNTS.items()
            if (count := connection.execute(sa.text(statement), _old(statement, old)).scalar())
        ]
    engine.dispose()
    return found


def _old(statement: str, old: int) -> dict[str, int]:
    return {"old": old} if ":old" in statement else {}


def secrets_in_logs(town: Town) -> list[str]:
    """Looks for message texts, passwords, addresses and mailed codes in the logs."""
    secret = [CANARY, PASSWORD.encode("ascii", "ignore").decode(), "@example.org"]
    codes = "|".join(sorted(town.codes)) or "(?!)"
    pattern = re.compile(
        "|".join(re.escape(word) for word in secret) + rf"|(?<![\w.])(?:{codes})(?![\w.])"
    )
    return [
        f"{path.name}: {line[:200]}"
        for name in SERVICES
        for path in town.system.log(name).parent.glob(f"{name}*.log")
        for line in path.read_text(errors="replace").splitlines()
        if pattern.search(line)
    ]
