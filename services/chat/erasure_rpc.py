"""chat.v1.ErasureService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.chat.v1 import erasure_pb2, erasure_pb2_grpc

from services.chat.erasure import Erasure


class ErasureService(erasure_pb2_grpc.ErasureServiceServicer):
    """Forgets users, for verify."""

    def __init__(self, erasure: Erasure) -> None:
        self._erasure = erasure

    async def EraseUser(self, request: erasure_pb2.EraseUserRequest, context: Any) -> Any:
        await self._erasure.erase(request.user_id)
        return erasure_pb2.EraseUserResponse()
