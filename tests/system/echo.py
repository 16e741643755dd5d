"""A bot that says again what people write, as the tests run it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hongyan_client import Bot


async def echo(bot: Bot, heard: list[str]) -> None:
    async for message in bot.messages():
        heard.append(message.text)
        await bot.reply(message, f"回声 {message.text}", quote=True)


@contextlib.asynccontextmanager
async def running(bot: Bot, heard: list[str]) -> AsyncIterator[Bot]:
    """Runs an echo until the end of the block."""
    async with bot:
        task = asyncio.create_task(echo(bot, heard))
        try:
            yield bot
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
