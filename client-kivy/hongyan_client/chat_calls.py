"""The unary calls about conversations and their logs."""

from collections.abc import Iterable, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.chat.v1 import (
    conversation_grpc,
    conversation_pb2,
    message_grpc,
    message_pb2,
    search_grpc,
    search_pb2,
)

from hongyan_client.account import AccountCalls
from hongyan_client.channel import Channel
from hongyan_client.convert import (
    from_settings,
    to_conversation,
    to_message,
    to_send,
    to_settings,
)
from hongyan_client.model import Conversation, Found, Message, Readers, Settings
from hongyan_client.sync import Page

SEND_SECONDS = 15.0
SEARCH_SECONDS = 15.0


class ChatCalls:
    """Calls as the session of `account`."""

    def __init__(self, channel: Channel, account: AccountCalls) -> None:
        self._account = account
        self._conversations = conversation_grpc.ConversationServiceStub(channel.grpc)
        self._search = search_grpc.SearchServiceStub(channel.grpc)
        self._messages = message_grpc.MessageServiceStub(channel.grpc)

    async def open_direct(self, user_id: str) -> Conversation:
        """Returns the one direct conversation with a user."""
        answer = await self._account.call(
            self._conversations.OpenDirect, conversation_pb2.OpenDirectRequest(user_id=user_id)
        )
        return to_conversation(answer.conversation)

    async def conversations(self, page_token: str = "") -> tuple[list[Conversation], str]:
        """Returns a page of conversations, the latest active first, and the next page's token."""
        answer = await self._account.call(
            self._conversations.ListConversations,
            conversation_pb2.ListConversationsRequest(page_size=100, page_token=page_token),
        )
        return [to_conversation(it) for it in answer.conversations], answer.next_page_token

    async def mark_read(self, conversation_id: str, seq: int) -> int:
        """Moves the own cursor and returns where it stands."""
        request = conversation_pb2.MarkReadRequest(conversation_id=conversation_id, seq=seq)
        return (await self._account.call(self._conversations.MarkRead, request)).read_seq

    async def list_after(self, conversation_id: str, after_seq: int, limit: int) -> Page:
        """Returns messages above `after_seq`; the newest page when it is negative."""
        request = message_pb2.ListRequest(conversation_id=conversation_id, limit=limit)
        if after_seq >= 0:
            request.after_seq = after_seq
        return await self._list(request)

    async def list_before(self, conversation_id: str, before_seq: int, limit: int) -> Page:
        """Returns the page that ends just below `before_seq`."""
        return await self._list(
            message_pb2.ListRequest(
                conversation_id=conversation_id, before_seq=before_seq, limit=limit
            )
        )

    async def _list(self, request: message_pb2.ListRequest) -> Page:
        answer = await self._account.call(self._messages.List, request)
        messages = [to_message(it) for it in answer.messages]
        return Page(messages, answer.last_seq, max(1, answer.first_seq))

    async def conversation(self, conversation_id: str) -> Conversation:
        """Returns one conversation."""
        request = conversation_pb2.GetConversationRequest(conversation_id=conversation_id)
        answer = await self._account.call(self._conversations.GetConversation, request)
        return to_conversation(answer.conversation)

    async def update_settings(
        self, conversation_id: str, settings: Settings, fields: Iterable[str]
    ) -> Settings:
        """Changes some fields of what a conversation is to the account; returns all of them."""
        request = conversation_pb2.UpdateSettingsRequest(
            conversation_id=conversation_id,
            settings=from_settings(settings),
            update_mask=FieldMask(paths=fields),
        )
        answer = await self._account.call(self._conversations.UpdateSettings, request)
        return to_settings(answer.settings)

    async def clear(self, conversation_id: str, seq: int, *, remove: bool) -> Settings:
        """Clears the history for the account, up to a seq or all of it."""
        request = conversation_pb2.ClearRequest(
            conversation_id=conversation_id, seq=seq, remove=remove
        )
        answer = await self._account.call(self._conversations.Clear, request)
        return to_settings(answer.settings)

    async def hide(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """Deletes messages for the account alone."""
        request = message_pb2.HideRequest(conversation_id=conversation_id, seqs=seqs)
        await self._account.call(self._messages.Hide, request)

    async def readers(self, conversation_id: str, seq: int) -> Readers:
        """Returns who has read and who has received a message."""
        request = message_pb2.ListReadersRequest(conversation_id=conversation_id, seq=seq)
        answer = await self._account.call(self._messages.ListReaders, request)
        return Readers(
            tuple(answer.read_user_ids),
            tuple(answer.received_user_ids),
            tuple(answer.waiting_user_ids),
        )

    async def search(
        self, query: str, conversation_id: str = "", page_token: str = "", limit: int = 20
    ) -> Found:
        """Returns a page of messages with some words, the newest first."""
        request = search_pb2.SearchRequest(
            query=query, conversation_id=conversation_id, page_size=limit, page_token=page_token
        )
        answer = await self._account.call(self._search.Search, request, timeout=SEARCH_SECONDS)
        messages = tuple(to_message(it) for it in answer.messages)
        return Found(messages, answer.next_page_token, answer.indexing)

    async def send(self, message: Message) -> Message:
        """Stores a message without the stream, under its own client_message_id."""
        answer = await self._account.call(
            self._messages.Send, to_send(message), timeout=SEND_SECONDS
        )
        return to_message(answer.message)
