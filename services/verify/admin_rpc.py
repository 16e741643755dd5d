"""verify.v1.AdminService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.verify.v1 import account_pb2, admin_pb2, admin_pb2_grpc

from services.common import audit
from services.verify.administration import PAGE, Administration, Seen
from services.verify.profile_rpc import to_timestamp


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    """Accounts, for administrators. The audit is written around each call by the interceptor."""

    def __init__(self, administration: Administration, entries: audit.Audit) -> None:
        self._administration = administration
        self._audit = entries

    async def FindUsers(self, request: admin_pb2.AdminServiceFindUsersRequest, context: Any) -> Any:
        found, following = await self._administration.find(
            request.query, request.page_token, request.page_size or PAGE
        )
        return admin_pb2.AdminServiceFindUsersResponse(
            users=[to_admin_user(seen) for seen in found], next_page_token=following
        )

    async def SuspendUser(self, request: admin_pb2.SuspendUserRequest, context: Any) -> Any:
        until = request.until.ToMicroseconds() if request.HasField("until") else 0
        seen = await self._administration.suspend(request.user_id, request.reason, until)
        return admin_pb2.SuspendUserResponse(user=to_admin_user(seen))

    async def RestoreUser(self, request: admin_pb2.RestoreUserRequest, context: Any) -> Any:
        seen = await self._administration.restore(request.user_id)
        return admin_pb2.RestoreUserResponse(user=to_admin_user(seen))

    async def EndSessions(self, request: admin_pb2.EndSessionsRequest, context: Any) -> Any:
        count = await self._administration.end_sessions(request.user_id)
        return admin_pb2.EndSessionsResponse(ended_count=count)

    async def ListAudit(self, request: admin_pb2.ListAuditRequest, context: Any) -> Any:
        entries, following = await self._audit.page(
            request.page_token, request.page_size or audit.PAGE
        )
        return admin_pb2.ListAuditResponse(
            entries=audit.to_entries(entries), next_page_token=following
        )


def to_admin_user(seen: Seen) -> admin_pb2.AdminUser:
    """Returns an account as administrators see it."""
    account = seen.account
    user = admin_pb2.AdminUser(
        user_id=account.user_id,
        # A deleted account has its id in the place of an address.
        email="" if account.deleted else account.email,
        display_name=account.display_name,
        handle=account.profile.handle,
        kind=account_pb2.UserKind.ValueType(account.kind),
        created_at=to_timestamp(account.created_at),
        deleted=account.deleted,
        session_count=seen.session_count,
    )
    if it := seen.suspension:
        user.suspension.reason = it.reason
        user.suspension.since.FromMicroseconds(it.since)
        if it.until:
            user.suspension.until.FromMicroseconds(it.until)
    return user
