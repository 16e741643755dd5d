"""The storage of chat's rules: one open transaction on its tables."""

from services.chat import bodies
from services.chat.append_store import AppendStore
from services.chat.contact_store import ContactStore
from services.chat.erasure_store import ErasureStore
from services.chat.personal_store import PersonalStore
from services.chat.read_store import ReadStore
from services.common.connections import Connection


class Store(AppendStore, ReadStore, PersonalStore, ContactStore, ErasureStore):
    """One open transaction: all that the rules ask of storage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def card_at(self, user_id: str, conversation_id: str, seq: int) -> str:
        """Returns the user whose card is in a message that a user can read; empty: none is."""
        message = await self.readable(user_id, conversation_id, seq)
        return bodies.card_of(message.kind, message.body) if message else ""
