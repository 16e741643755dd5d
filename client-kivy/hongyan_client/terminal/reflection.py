"""Reads what a server offers, by gRPC server reflection v1alpha."""

import asyncio
from dataclasses import dataclass
from typing import Any

import grpclib.client
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2
from hongyan.verify.v1 import account_pb2

from hongyan_client.channel import CALL_SECONDS, Absorbing, Channel, wake_once
from hongyan_client.errors import server_error

OWN = (account_pb2, conversation_pb2, message_pb2, gate_pb2, presence_pb2)

Field = descriptor_pb2.FieldDescriptorProto
PACKAGE = "grpc.reflection.v1alpha"
PATH = f"/{PACKAGE}.ServerReflection/ServerReflectionInfo"
# What is needed of the standard's messages: (field, number, type), a message by its name.
MESSAGES: dict[str, tuple[tuple[str, int, Any], ...]] = {
    "ServerReflectionRequest": (
        ("file_by_filename", 3, Field.TYPE_STRING),
        ("file_containing_symbol", 4, Field.TYPE_STRING),
        ("list_services", 7, Field.TYPE_STRING),
    ),
    "FileDescriptorResponse": (("file_descriptor_proto", 1, [Field.TYPE_BYTES]),),
    "ServiceResponse": (("name", 1, Field.TYPE_STRING),),
    "ListServiceResponse": (("service", 1, ["ServiceResponse"]),),
    "ErrorResponse": (
        ("error_code", 1, Field.TYPE_INT32),
        ("error_message", 2, Field.TYPE_STRING),
    ),
    "ServerReflectionResponse": (
        ("file_descriptor_response", 4, "FileDescriptorResponse"),
        ("list_services_response", 6, "ListServiceResponse"),
        ("error_response", 7, "ErrorResponse"),
    ),
}


def _message_types() -> tuple[type[Message], type[Message]]:
    """Builds the request and the response in a pool of their own.

    Both grpclib and grpcio-reflection bring these messages, and both register them for the whole
    process: a program that imports the two cannot start. So neither is imported here.
    """
    file = descriptor_pb2.FileDescriptorProto(name="reflection", package=PACKAGE, syntax="proto3")
    # The request's fields are one choice, so that an empty list_services is sent too.
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "ServerReflectionRequest":
            message.oneof_decl.add(name="question")
        for field_name, number, kind in fields:
            repeated = isinstance(kind, list)
            one = kind[0] if repeated else kind
            field = message.field.add(name=field_name, number=number)
            field.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if isinstance(one, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{one}"
            else:
                field.type = one
            if name == "ServerReflectionRequest":
                field.oneof_index = 0
    pool = DescriptorPool()
    pool.Add(file)
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in ("ServerReflectionRequest", "ServerReflectionResponse")
    )
    return request, response


Question, Answer = _message_types()


@dataclass(frozen=True, slots=True)
class Described:
    """Services, and the pool that knows their messages."""

    services: list[str]
    pool: DescriptorPool


def own_services() -> Described:
    """Returns the public services that this program was built with."""
    names = [name for it in OWN for name in sorted(it.DESCRIPTOR.services_by_name)]
    services = [
        it.DESCRIPTOR.services_by_name[name].full_name
        for it in OWN
        for name in names
        if name in it.DESCRIPTOR.services_by_name
    ]
    return Described(services, descriptor_pool.Default())


async def reflect(channel: Channel) -> Described:
    """Fetches the server's services and every file that they need."""
    method: Any = grpclib.client.StreamStreamMethod(channel.grpc, PATH, Question, Answer)
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    with Absorbing():
        async with (
            asyncio.timeout(CALL_SECONDS),
            method.open() as stream,
        ):
            wake_once(stream)
            answer = await _ask(stream, list_services="")
            names = sorted(it.name for it in answer.list_services_response.service)
            for name in names:
                await _fetch(stream, files, file_containing_symbol=name)
            while missing := _missing(files):
                for name in missing:
                    await _fetch(stream, files, file_by_filename=name)
            await stream.end()
    pool = DescriptorPool()
    added: set[str] = set()
    for name in files:
        _add(pool, files, added, name)
    return Described(names, pool)


async def _ask(stream: Any, **question: Any) -> Any:
    await stream.send_message(Question(**question))
    answer: Any = await stream.recv_message()
    if answer is None:
        raise server_error(12, "", "the server ended the reflection")
    if answer.HasField("error_response"):
        raise server_error(
            answer.error_response.error_code, "", answer.error_response.error_message
        )
    return answer


async def _fetch(
    stream: Any, files: dict[str, descriptor_pb2.FileDescriptorProto], **question: str
) -> None:
    answer = await _ask(stream, **question)
    for data in answer.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        files[file.name] = file


def _missing(files: dict[str, descriptor_pb2.FileDescriptorProto]) -> set[str]:
    return {name for file in files.values() for name in file.dependency} - files.keys()


def _add(
    pool: DescriptorPool,
    files: dict[str, descriptor_pb2.FileDescriptorProto],
    added: set[str],
    name: str,
) -> None:
    """Adds a file after those that it imports."""
    if name in added:
        return
    added.add(name)
    for dependency in files[name].dependency:
        _add(pool, files, added, dependency)
    pool.Add(files[name])
