"""The storage of chat's rules: one open transaction on its tables."""

from services.chat.append_store import AppendStore
from services.chat.personal_store import PersonalStore
from services.chat.read_store import ReadStore
from services.common.connections import Connection


class Store(AppendStore, ReadStore, PersonalStore):
    """One open transaction: all that the rules ask of storage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
