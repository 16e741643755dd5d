"""The contract: everybody's access is declared, and every message can be checked."""

import pytest
from google.protobuf import descriptor, message_factory
from google.protobuf.message import Message
from hongyan.chat.v1 import conversation_pb2, group_event_pb2, group_pb2, link_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.options.v1 import access_pb2
from hongyan.status.v1 import directory_pb2, presence_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.contract import ACCESS, FILES, PUBLIC_SERVICES, validate
from services.common.errors import Invalid

METHODS: list[descriptor.MethodDescriptor] = [
    method
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
]
INTERNAL = {
    "/hongyan.verify.v1.TrustService/GetTrust",
    "/hongyan.verify.v1.TrustService/FindUsers",
    "/hongyan.verify.v1.TrustService/FindHiddenPresence",
    "/hongyan.verify.v1.TrustService/FindPolicies",
    "/hongyan.verify.v1.TrustService/ListUsers",
    "/hongyan.chat.v1.LinkService/Attach",
    "/hongyan.chat.v1.ErasureService/EraseUser",
    "/hongyan.status.v1.DirectoryService/ListGates",
    "/hongyan.status.v1.DirectoryService/Look",
    "/hongyan.status.v1.DirectoryService/Renew",
}
ADMIN = {
    f"/hongyan.{service}/{name}"
    for service, names in {
        "verify.v1.AdminService": (
            "FindUsers",
            "SuspendUser",
            "RestoreUser",
            "EndSessions",
            "ListAudit",
        ),
        "chat.v1.ModerationService": (
            "ListReports",
            "CloseReport",
            "DeleteMessage",
            "Announce",
            "ListAnnouncements",
            "ListAudit",
        ),
    }.items()
    for name in names
}
PUBLIC = {
    f"/hongyan.verify.v1.AccountService/{name}"
    for name in ("SendCode", "Register", "Login", "Refresh", "ResetPassword")
} | {f"/hongyan.verify.v1.LoginCodeService/{name}" for name in ("ClaimLoginCode", "LoginWithCode")}


def test_every_rpc_declares_its_access() -> None:
    assert {path for path, access in ACCESS.items() if not access} == set()


def test_only_these_rpcs_are_internal_for_administrators_or_open_to_everybody() -> None:
    by_access = {
        access: {path for path, declared in ACCESS.items() if declared == access}
        for access in access_pb2.Access.values()
    }
    assert by_access[access_pb2.ACCESS_INTERNAL] == INTERNAL
    assert by_access[access_pb2.ACCESS_ADMIN] == ADMIN
    assert by_access[access_pb2.ACCESS_PUBLIC] == PUBLIC


def test_no_service_is_both_routed_and_internal() -> None:
    not_routed = (access_pb2.ACCESS_INTERNAL, access_pb2.ACCESS_ADMIN)
    for path, access in ACCESS.items():
        service = path.split("/")[1]
        assert (service in PUBLIC_SERVICES) is (access not in not_routed)


def test_no_rpc_for_administrators_is_a_stream() -> None:
    """The audit stands around calls with one request and one answer."""
    for method in METHODS:
        path = f"/{method.containing_service.full_name}/{method.name}"
        if ACCESS[path] == access_pb2.ACCESS_ADMIN:
            assert not method.client_streaming
            assert not method.server_streaming


def test_every_act_of_an_administrator_says_why() -> None:
    for method in METHODS:
        path = f"/{method.containing_service.full_name}/{method.name}"
        if path in ADMIN and not method.name.startswith(("List", "Find")):
            # What is announced speaks for itself.
            assert {"reason", "note", "text"} & set(method.input_type.fields_by_name), path


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_the_rules_of_every_request_can_be_run(method: descriptor.MethodDescriptor) -> None:
    request: Message = message_factory.GetMessageClass(method.input_type)()
    try:
        validate(request)
    except Invalid as refused:
        assert refused.fields  # noqa: PT017 - either outcome is right


def send(text: str) -> message_pb2.SendRequest:
    return message_pb2.SendRequest(conversation_id="c", client_message_id="x", text=text)


def fields(request: Message) -> set[str]:
    with pytest.raises(Invalid) as refused:
        validate(request)
    assert refused.value.reason == "INVALID_FIELD"
    for path in refused.value.fields:
        assert path in refused.value.message
    return set(refused.value.fields)


def test_the_text_of_a_message_ends_at_sixteen_kibibytes_of_utf8() -> None:
    validate(send("字" * 5_461 + "a"))
    assert fields(send("字" * 5_461 + "ab")) == {"text"}
    assert fields(send("")) == {"text"}
    assert fields(message_pb2.SendRequest(conversation_id="c", client_message_id="x")) == {
        "content"
    }


@pytest.mark.parametrize("id", ["", "a b", "a/b", "鸿", "x" * 65, "a\n", "a\x00"])
def test_ids_are_letters_digits_and_dashes(id: str) -> None:
    assert fields(message_pb2.SendRequest(conversation_id=id, client_message_id="x", text="t")) == {
        "conversation_id"
    }
    assert fields(message_pb2.SendRequest(conversation_id="c", client_message_id=id, text="t")) == {
        "client_message_id"
    }
    assert fields(conversation_pb2.OpenDirectRequest(user_id=id)) == {"user_id"}


def test_every_wrong_field_is_named() -> None:
    request = message_pb2.SendRequest(conversation_id="a b", client_message_id="", text="")
    assert fields(request) == {"conversation_id", "client_message_id", "text"}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (message_pb2.ListRequest(conversation_id="c", limit=-1), "limit"),
        (message_pb2.ListRequest(conversation_id="c", limit=201), "limit"),
        (message_pb2.ListRequest(conversation_id="c", after_seq=-1), "after_seq"),
        (message_pb2.ListRequest(conversation_id="c", before_seq=-1), "before_seq"),
        (conversation_pb2.ListConversationsRequest(page_size=101), "page_size"),
        (conversation_pb2.ListConversationsRequest(page_token="x" * 257), "page_token"),
        (conversation_pb2.MarkReadRequest(conversation_id="c", seq=-1), "seq"),
        (presence_pb2.QueryRequest(), "user_ids"),
        (presence_pb2.QueryRequest(user_ids=["a"] * 201), "user_ids"),
        (presence_pb2.QueryRequest(user_ids=["a", "b", "c d"]), "user_ids[2]"),
        (directory_pb2.RenewRequest(gate_id="g h"), "gate_id"),
        (gate_pb2.ConnectRequest(), "events"),
        (gate_pb2.ConnectRequest(events=[gate_pb2.ClientEvent()]), "events[0].event"),
        (
            gate_pb2.ConnectRequest(
                events=[
                    gate_pb2.ClientEvent(ping=gate_pb2.Ping()),
                    gate_pb2.ClientEvent(
                        sync=gate_pb2.Sync(
                            heads=[
                                gate_pb2.Head(conversation_id="c"),
                                gate_pb2.Head(conversation_id="c", seq=-1),
                            ]
                        )
                    ),
                ]
            ),
            "events[1].sync.heads[1].seq",
        ),
        (
            gate_pb2.ConnectRequest(
                events=[gate_pb2.ClientEvent(ping=gate_pb2.Ping())], traceparent="0" * 65
            ),
            "traceparent",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named_with_its_place(request_: Message, field: str) -> None:
    assert fields(request_) == {field}


@settings(deadline=None)  # the first one pays for imports
@given(data=st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_frame(data: bytes) -> None:
    from services.common.errors import AppError  # noqa: PLC0415
    from services.gate.rpc import _parse  # noqa: PLC0415

    try:
        frame = _parse(data)
    except AppError as refused:
        assert refused.reason in {"FRAME_UNREADABLE", "INVALID_FIELD"}  # noqa: PT017
        return
    assert frame.events


def test_the_link_needs_no_rules_since_gate_has_checked() -> None:
    validate(link_pb2.AttachRequest())


@pytest.mark.parametrize("name", ["ann\u202egnp.exe", "a\u2066b", "two\nlines"])
def test_a_group_is_not_renamed_with_what_steers_a_screen(name: str) -> None:
    for request in (
        group_pb2.CreateGroupRequest(client_group_id="g", user_ids=["bo"], name=name),
        group_pb2.UpdateGroupRequest(
            conversation_id="c", group=group_event_pb2.GroupSettings(name=name)
        ),
    ):
        with pytest.raises(Invalid):
            validate(request)
