"""The client's methods about the account's bots; `Client` has them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from hongyan.options.v1 import access_pb2
from hongyan.verify.v1 import bot_grpc, bot_pb2

from hongyan_client.account import AccountCalls
from hongyan_client.channel import Channel
from hongyan_client.model import Bot, BotCommand, BotToken, from_micros

SCOPES = {
    "read": access_pb2.SCOPE_READ,
    "write": access_pb2.SCOPE_WRITE,
    "manage": access_pb2.SCOPE_MANAGE,
}
NAMES = {number: name for name, number in SCOPES.items()}


class BotOwner(ABC):
    """What an account does with the bots that it has made."""

    @property
    @abstractmethod
    def account(self) -> AccountCalls:
        """The calls as this profile's session."""

    @property
    @abstractmethod
    def channel(self) -> Channel:
        """The connection to the gateway."""

    def _stub(self) -> bot_grpc.BotServiceStub:
        return bot_grpc.BotServiceStub(self.channel.grpc)

    async def create_bot(
        self, display_name: str, *, handle: str = "", signature: str = "", public: bool = False
    ) -> Bot:
        """Makes a bot; `public`: anyone may find it by its handle and add it."""
        bot = bot_pb2.Bot(
            display_name=display_name, handle=handle, signature=signature, public=public
        )
        request = bot_pb2.CreateBotRequest(bot=bot)
        return _bot((await self.account.call(self._stub().CreateBot, request)).bot)

    async def bots(self) -> list[Bot]:
        """Returns the account's bots, the oldest first."""
        answer = await self.account.call(self._stub().ListBots, bot_pb2.ListBotsRequest())
        return [_bot(it) for it in answer.bots]

    async def update_bot(self, user_id: str, **values: Any) -> Bot:
        """Changes display_name, handle, signature or public of a bot."""
        request = bot_pb2.UpdateBotRequest(
            bot=bot_pb2.Bot(user_id=user_id, **values), update_mask=FieldMask(paths=list(values))
        )
        return _bot((await self.account.call(self._stub().UpdateBot, request)).bot)

    async def delete_bot(self, user_id: str) -> None:
        """Deletes a bot for good."""
        request = bot_pb2.DeleteBotRequest(user_id=user_id)
        await self.account.call(self._stub().DeleteBot, request)

    async def create_bot_token(
        self,
        user_id: str,
        scopes: Iterable[str] = ("read", "write"),
        *,
        name: str = "",
        lifetime_seconds: int = 0,
    ) -> tuple[str, BotToken]:
        """Makes a token of a bot and returns it: nobody can tell it again. 0: without an end."""
        request = bot_pb2.CreateBotTokenRequest(
            user_id=user_id, name=name, scopes=[SCOPES[it] for it in scopes]
        )
        if lifetime_seconds:
            request.lifetime.seconds = lifetime_seconds
        answer = await self.account.call(self._stub().CreateBotToken, request)
        return answer.token, _token(answer.bot_token)

    async def bot_tokens(self, user_id: str) -> list[BotToken]:
        """Returns a bot's tokens that have not ended, the latest used first."""
        request = bot_pb2.ListBotTokensRequest(user_id=user_id)
        answer = await self.account.call(self._stub().ListBotTokens, request)
        return [_token(it) for it in answer.bot_tokens]

    async def revoke_bot_token(self, user_id: str, token_id: str) -> None:
        """Ends a token of a bot."""
        request = bot_pb2.RevokeBotTokenRequest(user_id=user_id, token_id=token_id)
        await self.account.call(self._stub().RevokeBotToken, request)

    async def set_bot_commands(self, user_id: str, commands: Iterable[BotCommand]) -> None:
        """Sets what a bot understands; for the bot itself and whose bot it is."""
        request = bot_pb2.SetBotCommandsRequest(
            user_id=user_id,
            commands=[
                bot_pb2.BotCommand(name=it.name, description=it.description) for it in commands
            ],
        )
        await self.account.call(self._stub().SetBotCommands, request)

    async def bot_commands(self, user_id: str) -> list[BotCommand]:
        """Returns what a bot says that it understands."""
        request = bot_pb2.ListBotCommandsRequest(user_id=user_id)
        answer = await self.account.call(self._stub().ListBotCommands, request)
        return [BotCommand(it.name, it.description) for it in answer.commands]


def _bot(bot: bot_pb2.Bot) -> Bot:
    return Bot(
        bot.user_id,
        bot.display_name,
        bot.handle,
        bot.signature,
        bot.public,
        from_micros(bot.created_at.ToMicroseconds()),
    )


def _token(token: bot_pb2.BotToken) -> BotToken:
    ends = token.HasField("expires_at")
    return BotToken(
        token.token_id,
        token.name,
        tuple(NAMES[it] for it in token.scopes if it in NAMES),
        from_micros(token.created_at.ToMicroseconds()),
        from_micros(token.used_at.ToMicroseconds()),
        from_micros(token.expires_at.ToMicroseconds()) if ends else None,
    )
