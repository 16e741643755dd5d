"""chat.v1's NotificationService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.chat.v1 import notification_pb2, notification_pb2_grpc

from services.chat.push import wrong_keys
from services.chat.registrations import WEB_PUSH, WEBHOOK, Registration, Registrations
from services.common.errors import Invalid
from services.common.identity import caller

MICROS = 1_000_000


class NotificationService(notification_pb2_grpc.NotificationServiceServicer):
    """The registrations of the caller."""

    def __init__(
        self, registrations: Registrations, public_key: str, *, private_addresses: bool
    ) -> None:
        self._registrations = registrations
        self._public_key = public_key
        self._private_addresses = private_addresses

    async def RegisterPush(
        self, request: notification_pb2.RegisterPushRequest, context: Any
    ) -> Any:
        provider, target = self._read_target(request)
        registration = await self._registrations.register(
            caller(), provider, target, request.show_content
        )
        return notification_pb2.RegisterPushResponse(registration=_to_registration(registration))

    async def ListPushRegistrations(
        self, request: notification_pb2.ListPushRegistrationsRequest, context: Any
    ) -> Any:
        found = await self._registrations.of_user(caller().user_id)
        return notification_pb2.ListPushRegistrationsResponse(
            registrations=[_to_registration(registration) for registration in found]
        )

    async def UnregisterPush(
        self, request: notification_pb2.UnregisterPushRequest, context: Any
    ) -> Any:
        await self._registrations.unregister(caller().user_id, request.registration_id)
        return notification_pb2.UnregisterPushResponse()

    async def GetWebPushKey(
        self, request: notification_pb2.GetWebPushKeyRequest, context: Any
    ) -> Any:
        return notification_pb2.GetWebPushKeyResponse(public_key=self._public_key)

    def _read_target(self, request: notification_pb2.RegisterPushRequest) -> tuple[str, bytes]:
        """Returns the provider and the target of a validated request."""
        kind = request.WhichOneof("target")
        if kind == "web_push":
            if wrong := wrong_keys(request.web_push):
                raise Invalid("INVALID_FIELD", "no keys of a browser", fields=wrong)
            return WEB_PUSH, request.web_push.SerializeToString()
        if kind == "webhook":
            if not (self._private_addresses or request.webhook.url.startswith("https:")):
                problem = "must be https"
                raise Invalid("INVALID_FIELD", problem, fields={"webhook.url": problem})
            return WEBHOOK, request.webhook.SerializeToString()
        if request.token.provider in (WEB_PUSH, WEBHOOK):
            raise Invalid(
                "INVALID_FIELD",
                f"{request.token.provider} is no provider of tokens",
                fields={"token.provider": "must be another one"},
            )
        return request.token.provider, request.token.SerializeToString()


def _to_registration(registration: Registration) -> notification_pb2.Registration:
    target = notification_pb2.Registration(
        registration_id=registration.id,
        session_id=registration.session_id,
        provider=registration.provider,
        show_content=registration.show_content,
    )
    seconds, micros = divmod(registration.created_at, MICROS)
    target.created_at.seconds = seconds
    target.created_at.nanos = micros * 1000
    return target
