"""What a user can say in a conversation besides a plain text, as entries for the outbox."""

from collections.abc import Sequence

from hongyan.chat.v1 import message_pb2

from hongyan_client.cache import Cache
from hongyan_client.history import History
from hongyan_client.model import Message
from hongyan_client.sending import Sending


class Composing:
    """The entries of one account; `Client` has the same methods and hands them on."""

    def __init__(self, cache: Cache, sending: Sending, history: History) -> None:
        self._cache = cache
        self._sending = sending
        self._history = history

    async def send(
        self,
        conversation_id: str,
        text: str,
        *,
        quote_seq: int = 0,
        mentions: Sequence[str] = (),
        mention_everybody: bool = False,
        card_user_id: str = "",
    ) -> Message:
        """Sends a text, maybe as an answer to an earlier one, to somebody's attention, or with
        the card of a user."""
        if not quote_seq and not mentions and not mention_everybody and not card_user_id:
            return await self._sending.send(conversation_id, text)
        content = message_pb2.Message()
        if quote_seq:
            quoted = self._cache.message(conversation_id, quote_seq)
            content.quote.seq = quote_seq
            content.quote.sender_id = quoted.sender_id if quoted else ""
        if mentions or mention_everybody:
            content.mentions.user_ids.extend(mentions)
            content.mentions.everybody = mention_everybody
        if card_user_id:
            content.card.user_id = card_user_id
        return await self._sending.send(conversation_id, text, content)

    async def forward(
        self, conversation_id: str, from_conversation_id: str, from_seq: int
    ) -> Message | None:
        """Sends a copy of a message of any conversation; None when it is not there."""
        source = await self._history.message(from_conversation_id, from_seq)
        if source is None or not source.text:
            return None
        content = message_pb2.Message(text=source.text)
        content.forwarded.sender_id = source.forwarded_from or source.sender_id
        if source.card_user_id:
            content.card.user_id = source.card_user_id
        request = message_pb2.SendRequest()
        request.forward.conversation_id = from_conversation_id
        request.forward.seq = from_seq
        return await self._sending.enter(conversation_id, content, request)

    async def recall(self, conversation_id: str, seq: int) -> Message:
        """Takes an own message back."""
        recall = message_pb2.Recall(seq=seq)
        return await self._sending.enter(
            conversation_id,
            message_pb2.Message(recall=recall),
            message_pb2.SendRequest(recall=recall),
        )

    async def edit(
        self,
        conversation_id: str,
        seq: int,
        text: str,
        *,
        mentions: Sequence[str] = (),
        mention_everybody: bool = False,
    ) -> Message:
        """Gives an own message another text."""
        edit = message_pb2.Edit(seq=seq, text=text)
        if mentions or mention_everybody:
            edit.mentions.user_ids.extend(mentions)
            edit.mentions.everybody = mention_everybody
        return await self._sending.enter(
            conversation_id, message_pb2.Message(edit=edit), message_pb2.SendRequest(edit=edit)
        )

    async def react(
        self, conversation_id: str, seq: int, emoji: str, *, removed: bool = False
    ) -> Message:
        """Reacts to a message, or takes that back."""
        reaction = message_pb2.Reaction(seq=seq, emoji=emoji, removed=removed)
        return await self._sending.enter(
            conversation_id,
            message_pb2.Message(reaction=reaction),
            message_pb2.SendRequest(reaction=reaction),
        )

    async def pin(self, conversation_id: str, seq: int, *, removed: bool = False) -> Message:
        """Pins a message in the chat for all members, or takes it down."""
        pin = message_pb2.Pin(seq=seq, removed=removed)
        return await self._sending.enter(
            conversation_id, message_pb2.Message(pin=pin), message_pb2.SendRequest(pin=pin)
        )

    async def set_timer(self, conversation_id: str, seconds: int) -> Message:
        """Sets after how long messages disappear from now on; 0: they stay."""
        timer = message_pb2.Timer(seconds=seconds)
        return await self._sending.enter(
            conversation_id, message_pb2.Message(timer=timer), message_pb2.SendRequest(timer=timer)
        )
