"""verify.v1's BotService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import bot_pb2, bot_pb2_grpc

from services.common.errors import Invalid
from services.common.identity import caller
from services.verify.bots import Bots
from services.verify.erasures import Erasures
from services.verify.model import Account, Adding, Session
from services.verify.profile_rpc import to_timestamp
from services.verify.profiles import Values

PLAIN = ("display_name", "handle", "signature")
CHANGEABLE = {*PLAIN, "public"}


class BotService(bot_pb2_grpc.BotServiceServicer):
    """The caller's bots."""

    def __init__(self, bots: Bots, erasures: Erasures) -> None:
        self._bots = bots
        self._erasures = erasures

    async def CreateBot(self, request: bot_pb2.CreateBotRequest, context: Any) -> Any:
        values = {"display_name": request.bot.display_name}
        values |= {name: getattr(request.bot, name) for name in PLAIN if getattr(request.bot, name)}
        bot = await self._bots.create(caller().user_id, values, public=request.bot.public)
        return bot_pb2.CreateBotResponse(bot=to_bot(bot))

    async def ListBots(self, request: bot_pb2.ListBotsRequest, context: Any) -> Any:
        found = await self._bots.of(caller().user_id)
        return bot_pb2.ListBotsResponse(bots=[to_bot(bot) for bot in found])

    async def UpdateBot(self, request: bot_pb2.UpdateBotRequest, context: Any) -> Any:
        values, public = changes(request.bot, set(request.update_mask.paths))
        bot = await self._bots.update(caller().user_id, request.bot.user_id, values, public=public)
        return bot_pb2.UpdateBotResponse(bot=to_bot(bot))

    async def DeleteBot(self, request: bot_pb2.DeleteBotRequest, context: Any) -> Any:
        await self._erasures.delete_bot(caller().user_id, request.user_id)
        return bot_pb2.DeleteBotResponse()

    async def CreateBotToken(self, request: bot_pb2.CreateBotTokenRequest, context: Any) -> Any:
        token, made = await self._bots.create_token(
            caller().user_id,
            request.user_id,
            request.name,
            request.scopes,
            request.lifetime.ToMicroseconds() if request.HasField("lifetime") else None,
        )
        return bot_pb2.CreateBotTokenResponse(token=token, bot_token=to_bot_token(made))

    async def ListBotTokens(self, request: bot_pb2.ListBotTokensRequest, context: Any) -> Any:
        found = await self._bots.tokens(caller().user_id, request.user_id)
        return bot_pb2.ListBotTokensResponse(bot_tokens=[to_bot_token(token) for token in found])

    async def RevokeBotToken(self, request: bot_pb2.RevokeBotTokenRequest, context: Any) -> Any:
        await self._bots.revoke_token(caller().user_id, request.user_id, request.token_id)
        return bot_pb2.RevokeBotTokenResponse()

    async def SetBotCommands(self, request: bot_pb2.SetBotCommandsRequest, context: Any) -> Any:
        names = [command.name for command in request.commands]
        if len(set(names)) < len(names):
            raise Invalid(
                "INVALID_FIELD", "each command has a name of its own", fields={"commands": "repeat"}
            )
        kept = bot_pb2.ListBotCommandsResponse(commands=request.commands)
        await self._bots.set_commands(caller().user_id, request.user_id, kept.SerializeToString())
        return bot_pb2.SetBotCommandsResponse()

    async def ListBotCommands(self, request: bot_pb2.ListBotCommandsRequest, context: Any) -> Any:
        kept = await self._bots.commands(request.user_id)
        return bot_pb2.ListBotCommandsResponse.FromString(kept)


def changes(bot: bot_pb2.Bot, paths: set[str]) -> tuple[Values, bool | None]:
    """Returns the values that an UpdateBot sets; raises Invalid for what cannot be changed."""
    if not paths:
        paths = {field.name for field, _ in bot.ListFields()} & CHANGEABLE
    if not paths <= CHANGEABLE or not paths:
        problem = f"must name what can be changed: {', '.join(sorted(CHANGEABLE))}"
        raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
    values: Values = {name: getattr(bot, name) for name in PLAIN if name in paths}
    return values, bot.public if "public" in paths else None


def to_bot(account: Account) -> bot_pb2.Bot:
    """Returns a bot as whose bot it is sees it."""
    return bot_pb2.Bot(
        user_id=account.user_id,
        display_name=account.display_name,
        handle=account.profile.handle,
        signature=account.profile.signature,
        public=account.profile.privacy.add_policy != Adding.NOBODY,
        created_at=to_timestamp(account.created_at),
    )


def to_bot_token(token: Session) -> bot_pb2.BotToken:
    """Returns what is known of a token besides itself."""
    return bot_pb2.BotToken(
        token_id=token.session_id,
        name=token.device.name,
        scopes=[access_pb2.Scope.ValueType(scope) for scope in sorted(token.scopes or ())],
        created_at=to_timestamp(token.created_at),
        used_at=to_timestamp(token.used_at),
        expires_at=None if token.expires_at is None else to_timestamp(token.expires_at),
    )
