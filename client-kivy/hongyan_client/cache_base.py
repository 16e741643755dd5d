"""The SQLite file of one account: its schema, its transactions, and how it is made new."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 6
SCHEMA = """
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE conversation (
  conversation_id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,          -- empty while only messages are known
  last_seq INTEGER NOT NULL,
  first_seq INTEGER,           -- the window; both NULL when nothing is known of the log
  head_seq INTEGER,
  counted_unread INTEGER NOT NULL, -- what the server counted,
  counted_mentions INTEGER NOT NULL DEFAULT 0,
  counted_last_seq INTEGER NOT NULL, -- up to this message,
  counted_read_seq INTEGER NOT NULL, -- from this cursor on
  active_at INTEGER NOT NULL,
  preview_seq INTEGER, preview BLOB,
  settings BLOB NOT NULL DEFAULT x'',
  cleared_seq INTEGER NOT NULL DEFAULT 0,
  disappear_seconds INTEGER NOT NULL DEFAULT 0,
  pinned_seqs TEXT NOT NULL DEFAULT '',
  group_data BLOB,             -- the contract's Group
  request INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX conversation_active ON conversation (active_at DESC);
CREATE TABLE member (
  conversation_id TEXT NOT NULL, user_id TEXT NOT NULL,
  read_seq INTEGER NOT NULL, received_seq INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;
CREATE TABLE message (
  conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, sender_id TEXT NOT NULL,
  client_message_id TEXT NOT NULL, created_at INTEGER NOT NULL, text TEXT NOT NULL,
  kind TEXT NOT NULL,
  more BLOB,                   -- the contract's message, when it is more than a text
  mentions_me INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER,
  PRIMARY KEY (conversation_id, seq)
);
CREATE INDEX message_client ON message (client_message_id);
CREATE INDEX message_expires ON message (expires_at) WHERE expires_at IS NOT NULL;
-- The contract's Contact and ContactRequest.
CREATE TABLE contact (user_id TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contact_request (user_id TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
-- Messages that are hidden and not here yet.
CREATE TABLE hidden_ahead (
  conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (conversation_id, seq)
) WITHOUT ROWID;
CREATE TABLE user (
  user_id TEXT PRIMARY KEY, display_name TEXT NOT NULL, handle TEXT NOT NULL,
  signature TEXT NOT NULL, region TEXT NOT NULL, bot INTEGER NOT NULL,
  avatar_id TEXT NOT NULL,
  fetched_at INTEGER NOT NULL
);
"""
# What is nowhere else: it stays when the rest is made new.
OWN_SCHEMA = """
CREATE TABLE unsent_cursor (
  conversation_id TEXT NOT NULL, kind TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, kind)
) WITHOUT ROWID;
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL, client_message_id TEXT NOT NULL UNIQUE, text TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seq INTEGER NOT NULL DEFAULT 0,   -- set by the ack, until the window reaches it
  failure TEXT NOT NULL DEFAULT '',
  more BLOB,                        -- the contract's message, when it is more than a text
  request BLOB                      -- and what asks the server to store it
);
CREATE INDEX outbox_conversation ON outbox (conversation_id, position);
"""
DRAFTS = """
CREATE TABLE unsent_draft (
  conversation_id TEXT PRIMARY KEY, text TEXT NOT NULL
) WITHOUT ROWID;
"""
FROM_1 = """
DROP TABLE conversation; DROP TABLE member; DROP TABLE message; DROP TABLE user;
ALTER TABLE outbox ADD COLUMN more BLOB;
ALTER TABLE outbox ADD COLUMN request BLOB;
CREATE TABLE unsent_cursor (
  conversation_id TEXT NOT NULL, kind TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, kind)
) WITHOUT ROWID;
INSERT INTO unsent_cursor SELECT conversation_id, 'read', seq FROM unsent_read;
DROP TABLE unsent_read;
"""
FROM_2 = """
DROP TABLE state; DROP TABLE conversation; DROP TABLE member; DROP TABLE message; DROP TABLE user;
"""
SERVER_TABLES = (
    "state",
    "conversation",
    "member",
    "message",
    "hidden_ahead",
    "contact",
    "contact_request",
)
"""What the server has too."""
FROM_3 = FROM_2 + "DROP TABLE hidden_ahead;"
FROM_4 = FROM_3 + "DROP TABLE contact; DROP TABLE contact_request;"
FROM_5 = FROM_4
FROM = {
    version: script + DRAFTS
    for version, script in enumerate((OWN_SCHEMA, FROM_1, FROM_2, FROM_3, FROM_4, FROM_5))
}


class CacheBase:
    """The file of one account. Calls are short and stay on the event loop's thread, but
    `add_to_outbox`, which waits for the disk and is made for a thread.
    """

    def __init__(self, path: Path, user_id: str) -> None:
        self.user_id = user_id
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made before SQLite would make it, so that nobody else can read it even for a moment.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = self._connect(path, "NORMAL")
        self._migrate()
        # The outbox's own connection: its commits are on disk when they return.
        self._durable = self._connect(path, "FULL")
        self._durable_lock = threading.Lock()

    @staticmethod
    def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
        database = sqlite3.connect(
            path, isolation_level=None, timeout=10.0, check_same_thread=False
        )
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={synchronous}")
        return database

    def _migrate(self) -> None:
        with self.transaction():
            (version,) = self._one("PRAGMA user_version")
            if version > SCHEMA_VERSION:
                raise RuntimeError("the cache was made by a newer version of this program")
            if version == SCHEMA_VERSION:
                return
            # What the server has is fetched anew; what only this device has is kept.
            self._run(FROM[version])
            self._run(SCHEMA)
            self._database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _run(self, script: str) -> None:
        lines = [line.partition("--")[0] for line in script.splitlines()]
        for statement in " ".join(lines).split(";"):
            if statement.strip():
                self._database.execute(statement)

    def forget(self) -> None:
        """Drops all that the server has too; the outbox and unsent cursors stay."""
        with self.transaction():
            for table in SERVER_TABLES:
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608

    def compact(self) -> None:
        """Gives back the room of what was dropped. Waits for the disk and is made for a thread."""
        with self._durable_lock:
            self._durable.execute("VACUUM")
            self._durable.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the files."""
        with self._durable_lock:
            self._durable.close()
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Joins what is written inside the block into one commit; may be nested."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        else:
            self._database.execute("COMMIT")
        finally:
            self._depth = 0

    def _one(self, sql: str, *values: Any) -> Any:
        return self._database.execute(sql, values).fetchone()

    # Up to where the account's changes are here

    def state(self, name: str) -> int:
        """Returns a number that is kept under a name, 0 when there is none."""
        row = self._one("SELECT value FROM state WHERE name = ?", name)
        return int(row[0]) if row else 0

    def set_state(self, name: str, value: int) -> None:
        """Keeps a number under a name."""
        self._database.execute(
            "INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", (name, value)
        )
