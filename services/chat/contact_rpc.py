"""chat.v1.ContactService: protobuf in, protobuf out, nothing decided here."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from hongyan.chat.v1 import contact_pb2, contact_pb2_grpc

from services.chat.contacts import Approach, Code, ContactRules
from services.chat.wire import to_contact, to_request
from services.common.errors import Invalid
from services.common.identity import caller
from services.common.limits import LocalLimit

PAGE = 200
REQUESTS_PAGE = 100

FIELDS: Mapping[str, Any] = {
    "remark": lambda it: it.remark.strip(),
    "tags": lambda it: tuple(it.tags),
    "starred": lambda it: it.starred,
}
"""How each field that a user may set is read."""


class ContactService(contact_pb2_grpc.ContactServiceServicer):
    """The contacts of the caller."""

    def __init__(
        self, rules: ContactRules, *, request: LocalLimit, change: LocalLimit, code: LocalLimit
    ) -> None:
        self._rules = rules
        self._request = request
        self._change = change
        self._code = code

    async def ListContacts(self, request: contact_pb2.ListContactsRequest, context: Any) -> Any:
        after = str(_read_token(request.page_token, 1)[0]) if request.page_token else ""
        found, more = await self._rules.contacts(caller().user_id, after, request.page_size or PAGE)
        return contact_pb2.ListContactsResponse(
            contacts=[to_contact(it) for it in found],
            next_page_token=_write_token(found[-1].other_id) if more else "",
        )

    async def UpdateContact(self, request: contact_pb2.UpdateContactRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        paths = request.update_mask.paths or [
            field.name for field, _ in request.contact.ListFields()
        ]
        if unknown := [path for path in paths if path not in FIELDS] or (not paths and ["empty"]):
            problem = f"names what cannot be set: {', '.join(unknown)}"
            raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
        values = {path: FIELDS[path](request.contact) for path in paths}
        contact, version = await self._rules.update(caller().user_id, request.user_id, values)
        return contact_pb2.UpdateContactResponse(contact=to_contact(contact), user_version=version)

    async def DeleteContact(self, request: contact_pb2.DeleteContactRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        version = await self._rules.delete(caller().user_id, request.user_id)
        return contact_pb2.DeleteContactResponse(user_version=version)

    async def Block(self, request: contact_pb2.BlockRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        contact, version = await self._rules.block(caller().user_id, request.user_id, blocked=True)
        return contact_pb2.BlockResponse(contact=to_contact(contact), user_version=version)

    async def Unblock(self, request: contact_pb2.UnblockRequest, context: Any) -> Any:
        self._change.take(caller().user_id)
        contact, version = await self._rules.block(caller().user_id, request.user_id, blocked=False)
        return contact_pb2.UnblockResponse(contact=to_contact(contact), user_version=version)

    async def RequestContact(self, request: contact_pb2.RequestContactRequest, context: Any) -> Any:
        self._request.take(caller().user_id)
        asked, version = await self._rules.request(
            caller().user_id,
            Approach(
                request.user_id,
                request.code,
                request.greeting.strip(),
                request.source,
                request.conversation_id,
                request.seq,
            ),
        )
        return contact_pb2.RequestContactResponse(request=to_request(asked), user_version=version)

    async def ListContactRequests(
        self, request: contact_pb2.ListContactRequestsRequest, context: Any
    ) -> Any:
        after = None
        if request.page_token:
            created_at, other_id = _read_token(request.page_token, 2)
            after = _moment(created_at), str(other_id)
        found, more = await self._rules.requests(
            caller().user_id, after, request.page_size or REQUESTS_PAGE
        )
        return contact_pb2.ListContactRequestsResponse(
            requests=[to_request(it) for it in found],
            next_page_token=_write_token(found[-1].created_at, found[-1].other_id) if more else "",
        )

    async def AcceptContactRequest(
        self, request: contact_pb2.AcceptContactRequestRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        contact, conversation_id, version = await self._rules.accept(
            caller().user_id, request.user_id
        )
        return contact_pb2.AcceptContactRequestResponse(
            contact=to_contact(contact), conversation_id=conversation_id, user_version=version
        )

    async def DeclineContactRequest(
        self, request: contact_pb2.DeclineContactRequestRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        version = await self._rules.decline(caller().user_id, request.user_id)
        return contact_pb2.DeclineContactRequestResponse(user_version=version)

    async def WithdrawContactRequest(
        self, request: contact_pb2.WithdrawContactRequestRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        version = await self._rules.withdraw(caller().user_id, request.user_id)
        return contact_pb2.WithdrawContactRequestResponse(user_version=version)

    async def CreateContactCode(
        self, request: contact_pb2.CreateContactCodeRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        if 0 < request.lifetime_seconds < 60:
            problem = "must be 0, or 60 and more"
            raise Invalid(
                "INVALID_FIELD",
                f"lifetime_seconds {problem}",
                fields={"lifetime_seconds": problem},
            )
        code = await self._rules.create_code(caller().user_id, request.lifetime_seconds)
        return contact_pb2.CreateContactCodeResponse(code=_to_code(code))

    async def ListContactCodes(
        self, request: contact_pb2.ListContactCodesRequest, context: Any
    ) -> Any:
        found = await self._rules.codes(caller().user_id)
        return contact_pb2.ListContactCodesResponse(codes=[_to_code(it) for it in found])

    async def RevokeContactCode(
        self, request: contact_pb2.RevokeContactCodeRequest, context: Any
    ) -> Any:
        self._change.take(caller().user_id)
        await self._rules.revoke_code(caller().user_id, request.code_id)
        return contact_pb2.RevokeContactCodeResponse()

    async def ResolveContactCode(
        self, request: contact_pb2.ResolveContactCodeRequest, context: Any
    ) -> Any:
        self._code.take(caller().user_id)
        user_id = await self._rules.resolve(request.code)
        contact = await self._rules.contact(caller().user_id, user_id)
        return contact_pb2.ResolveContactCodeResponse(user_id=user_id, contact=to_contact(contact))


def _to_code(code: Code) -> contact_pb2.ContactCode:
    target = contact_pb2.ContactCode(code_id=code.id, code=code.code)
    target.created_at.FromMicroseconds(code.created_at)
    target.expires_at.FromMicroseconds(code.expires_at)
    return target


def _write_token(*place: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str, parts: int) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        place = None
    if not isinstance(place, list) or len(place) != parts:
        raise _no_token()
    return place


def _moment(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise _no_token()
    return value


def _no_token() -> Invalid:
    problem = "is not a token of this list"
    return Invalid("INVALID_FIELD", f"page_token {problem}", fields={"page_token": problem})
