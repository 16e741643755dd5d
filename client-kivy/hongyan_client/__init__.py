"""Hongyan's client library, pure Python: the app, the terminal and the load test share it."""

from hongyan_client.bot import Bot
from hongyan_client.client import Client
from hongyan_client.stream import Stream

__all__ = ["Bot", "Client", "Stream"]
