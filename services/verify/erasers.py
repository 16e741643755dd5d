"""The services that keep something of users, as erasures hands deleted ones to them."""

import grpc
from hongyan.chat.v1 import erasure_pb2, erasure_pb2_grpc

from services.common import calls

# A user in many groups leaves each by a transaction of its own.
SECONDS = 60.0


class ChatEraser:
    """Chat: contacts, groups, drafts and all that is the user's alone."""

    def __init__(self, channel: grpc.aio.Channel, internal_key: str) -> None:
        self._stub = erasure_pb2_grpc.ErasureServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)

    async def erase(self, user_id: str) -> None:
        """Forgets a user; raises AioRpcError when it is not done."""
        request = erasure_pb2.EraseUserRequest(user_id=user_id)
        await self._stub.EraseUser(request, metadata=self._metadata, timeout=SECONDS)
