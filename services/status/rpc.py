"""status.v1 on the wire: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.status.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    presence_pb2,
    presence_pb2_grpc,
)

from services.common.errors import to_duration
from services.common.identity import caller
from services.status.rules import Directory, Presence

State = presence_pb2.PresenceState
STATES = {
    None: State.PRESENCE_STATE_UNSPECIFIED,
    True: State.PRESENCE_STATE_ONLINE,
    False: State.PRESENCE_STATE_OFFLINE,
}


class PresenceService(presence_pb2_grpc.PresenceServiceServicer):
    """Presence for users."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def Query(self, request: presence_pb2.QueryRequest, context: Any) -> Any:
        presences = await self._directory.presences(list(request.user_ids), viewer=caller().user_id)
        return presence_pb2.QueryResponse(presences=[to_presence(one) for one in presences])


class DirectoryService(directory_pb2_grpc.DirectoryServiceServicer):
    """Leases for gates."""

    def __init__(self, directory: Directory, lease_seconds: float) -> None:
        self._directory = directory
        self._lease = to_duration(lease_seconds)

    async def Renew(self, request: directory_pb2.RenewRequest, context: Any) -> Any:
        await self._directory.renew(
            request.gate_id, list(request.user_ids), list(request.left_user_ids)
        )
        if request.draining:
            await self._directory.forget(request.gate_id)
        else:
            await self._directory.count(request.gate_id, request.session_count)
        return directory_pb2.RenewResponse(lease=self._lease)

    async def Look(self, request: directory_pb2.LookRequest, context: Any) -> Any:
        presences, hidden = await self._directory.look(
            list(request.user_ids), list(request.viewer_ids)
        )
        return directory_pb2.LookResponse(
            presences=[to_presence(one) for one in presences], hidden_user_ids=hidden
        )

    async def ListGates(self, request: directory_pb2.ListGatesRequest, context: Any) -> Any:
        gates = await self._directory.gates()
        return directory_pb2.ListGatesResponse(
            gates=[
                directory_pb2.Gate(gate_id=gate_id, session_count=count)
                for gate_id, count in sorted(gates.items())
            ]
        )


def to_presence(presence: Presence) -> presence_pb2.Presence:
    """Returns a presence."""
    target = presence_pb2.Presence(user_id=presence.user_id, state=STATES[presence.online])
    if presence.active_at is not None:
        target.active_at.FromMilliseconds(int(presence.active_at * 1000))
    return target
