"""All users of the installation, page by page: asked of verify."""

from collections.abc import Sequence

import grpc
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from services.common import calls

SECONDS = 10.0


class Everybody:
    """Lists users by verify."""

    def __init__(self, channel: grpc.aio.Channel, internal_key: str) -> None:
        self._stub = trust_pb2_grpc.TrustServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)

    async def page(self, after: str, limit: int, created_until: int) -> tuple[Sequence[str], int]:
        """Returns persons after one, by their ids, and how many there are on the first page."""
        request = trust_pb2.ListUsersRequest(
            after_user_id=after, limit=limit, created_until_micros=created_until
        )
        try:
            answer = await self._stub.ListUsers(request, metadata=self._metadata, timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            raise calls.unavailable("VERIFY_AWAY", error) from error
        return list(answer.user_ids), answer.total
