"""Calls of any RPC with JSON, described by the server's own reflection."""

import asyncio
from typing import Annotated, Any

import typer
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpclib.const import Cardinality

from hongyan_client.channel import CALL_SECONDS, Absorbing, Channel, bearer
from hongyan_client.client import Client
from hongyan_client.errors import NotLoggedIn, ServerError
from hongyan_client.terminal.reflection import Described, own_services, reflect
from hongyan_client.terminal.shell import Shell
from hongyan_client.terminal.strings import text

app = typer.Typer(help="Look at and call any RPC of the server.", no_args_is_help=True)


async def _describe(shell: Shell, channel: Channel) -> Described:
    """Asks the server; one without reflection leaves this program's own descriptions."""
    try:
        return await reflect(channel)
    except ServerError as error:
        # Unimplemented, or something that is no gRPC at all.
        if error.code not in (2, 5, 12):
            raise
        shell.output.say(text("rpc.fallback"), "yellow")
        return own_services()


@app.command("list")
def list_services(ctx: typer.Context) -> None:
    """List services and their methods."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        described = await _describe(shell, client.channel)
        for name in described.services:
            service = described.pool.FindServiceByName(name)
            methods = [f"{name}/{it.name}" for it in service.methods]
            if shell.output.json:
                shell.output.data({"service": name, "methods": methods})
            else:
                for method in methods or [name]:
                    shell.output.console.print(method, markup=False)

    shell.run(work)


@app.command("describe")
def describe(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A service, SERVICE/METHOD or a message.")],
) -> None:
    """Show what a service, a method or a message looks like."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        pool = (await _describe(shell, client.channel)).pool
        proto = _to_proto(shell, pool, name)
        if shell.output.json:
            shell.output.data(json_format.MessageToDict(proto, preserving_proto_field_name=True))
        else:
            shell.output.console.print(str(proto).rstrip(), markup=False)

    shell.run(work)


def _to_proto(shell: Shell, pool: DescriptorPool, name: str) -> Message:
    if "/" in name:
        method = _method(shell, pool, name)
        return _copy(method, descriptor_pb2.MethodDescriptorProto())
    try:
        return _copy(pool.FindServiceByName(name), descriptor_pb2.ServiceDescriptorProto())
    except KeyError:
        pass
    try:
        return _copy(pool.FindMessageTypeByName(name), descriptor_pb2.DescriptorProto())
    except KeyError:
        shell.usage(text("rpc.unknown", name=name))


def _copy(descriptor: Any, proto: Message) -> Message:
    descriptor.CopyToProto(proto)
    return proto


def _method(shell: Shell, pool: DescriptorPool, name: str) -> MethodDescriptor:
    service_name, _, method_name = name.strip("/").partition("/")
    try:
        service: ServiceDescriptor = pool.FindServiceByName(service_name)
        return service.methods_by_name[method_name]
    except KeyError:
        shell.usage(text("rpc.unknown", name=name))


@app.command("call")
def call(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SERVICE/METHOD")],
    request: Annotated[str, typer.Argument(metavar="JSON")] = "{}",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait.")] = CALL_SECONDS,
) -> None:
    """Call a method, as the profile's session when it is logged in; prints JSON."""
    shell: Shell = ctx.obj

    async def work(client: Client) -> None:
        pool = (await _describe(shell, client.channel)).pool
        method = _method(shell, pool, name)
        if method.client_streaming:
            shell.usage(text("rpc.streaming", name=name))
        message = message_factory.GetMessageClass(method.input_type)()
        try:
            json_format.Parse(request, message, descriptor_pool=pool)
        except json_format.ParseError as error:
            shell.usage(text("rpc.bad_json", name=method.input_type.full_name, why=error))
        try:
            token = await client.account.access_token()
        except NotLoggedIn:
            token = ""
        for answer in await _answers(client.channel, method, message, token, timeout):
            shell.output.data(
                json_format.MessageToDict(
                    answer,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                    descriptor_pool=pool,
                )
            )

    shell.run(work)


async def _answers(
    channel: Channel, method: MethodDescriptor, message: Message, token: str, timeout: float
) -> list[Any]:
    kind = Cardinality.UNARY_STREAM if method.server_streaming else Cardinality.UNARY_UNARY
    path = f"/{method.containing_service.full_name}/{method.name}"
    answer_class = message_factory.GetMessageClass(method.output_type)
    answers: list[Any] = []
    with Absorbing():
        async with (
            asyncio.timeout(timeout),
            channel.grpc.request(
                path, kind, type(message), answer_class, timeout=timeout, metadata=bearer(token)
            ) as stream,
        ):
            await stream.send_message(message, end=True)
            while (answer := await stream.recv_message()) is not None:
                answers.append(answer)
                if not method.server_streaming:
                    break
    return answers
