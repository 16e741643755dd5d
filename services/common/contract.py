"""The contract as the services see it: its rpcs, who may call each, how messages are checked."""

import protovalidate
from google.protobuf import descriptor, descriptor_pb2, message
from hongyan.chat.v1 import (
    contact_pb2,
    conversation_pb2,
    erasure_pb2,
    group_pb2,
    link_pb2,
    message_pb2,
    moderation_pb2,
    notification_pb2,
    report_pb2,
    search_pb2,
)
from hongyan.gate.v1 import gate_pb2
from hongyan.options.v1 import access_pb2
from hongyan.status.v1 import directory_pb2, presence_pb2
from hongyan.verify.v1 import account_pb2, admin_pb2, bot_pb2, login_code_pb2, trust_pb2

from services.common.errors import Invalid

Access = access_pb2.Access

FILES: tuple[descriptor.FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (
        account_pb2,
        bot_pb2,
        login_code_pb2,
        trust_pb2,
        admin_pb2,
        message_pb2,
        conversation_pb2,
        contact_pb2,
        group_pb2,
        erasure_pb2,
        search_pb2,
        notification_pb2,
        report_pb2,
        moderation_pb2,
        link_pb2,
        gate_pb2,
        presence_pb2,
        directory_pb2,
    )
)


def _options() -> dict[str, descriptor_pb2.MethodOptions]:
    return {
        f"/{service.full_name}/{method.name}": method.GetOptions()
        for file in FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }


ACCESS: dict[str, int] = {
    path: options.Extensions[access_pb2.access] for path, options in _options().items()
}
"""Who may call each rpc, by its path "/package.Service/Method"."""

SCOPE: dict[str, int] = {
    path: options.Extensions[access_pb2.scope] for path, options in _options().items()
}
"""Which scope a bot needs for each rpc, by its path; SCOPE_UNSPECIFIED: no bot may call."""

NOT_ROUTED = (access_pb2.ACCESS_INTERNAL, access_pb2.ACCESS_ADMIN)
"""Who does not come through the gateway."""

PUBLIC_SERVICES = tuple(
    service.full_name
    for file in FILES
    for service in file.services_by_name.values()
    if all(
        ACCESS[f"/{service.full_name}/{method.name}"] not in NOT_ROUTED
        for method in service.methods
    )
)
"""The services that the gateway routes, by full name."""


def validate(request: message.Message) -> None:
    """Raises Invalid, naming each wrong field, when a message breaks the contract's rules."""
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        fields = {
            _path(violation) or "request": violation.proto.message for violation in error.violations
        }
        text = "; ".join(f"{path}: {problem}" for path, problem in fields.items())
        raise Invalid("INVALID_FIELD", text, fields=fields) from None


def _path(violation: protovalidate.Violation) -> str:
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if (index := element.subscript) is not None and index.field == "index":
            path += f"[{index.value}]"
    return path
