"""Which language the app speaks."""

from app import kv
from app.widgets.page import Page


class LanguagePage(Page):
    """The languages, and what the system is set to; a press changes it at once."""


kv.load(__file__)
