"""Reads what a server offers, by gRPC server reflection v1alpha."""

import asyncio
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor_pool import DescriptorPool
from grpclib.reflection.v1alpha import reflection_grpc, reflection_pb2
from hongyan.chat.v1 import conversation_pb2, message_pb2
from hongyan.gate.v1 import gate_pb2
from hongyan.status.v1 import presence_pb2
from hongyan.verify.v1 import account_pb2

from hongyan_client.channel import CALL_SECONDS, Absorbing, Channel, wake_once
from hongyan_client.errors import server_error

OWN = (account_pb2, conversation_pb2, message_pb2, gate_pb2, presence_pb2)


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
    stub = reflection_grpc.ServerReflectionStub(channel.grpc)
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    with Absorbing():
        async with (
            asyncio.timeout(CALL_SECONDS),
            stub.ServerReflectionInfo.open() as stream,
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


async def _ask(stream: Any, **question: Any) -> reflection_pb2.ServerReflectionResponse:
    await stream.send_message(reflection_pb2.ServerReflectionRequest(**question))
    answer: reflection_pb2.ServerReflectionResponse | None = await stream.recv_message()
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
