"""What can be done with the keyboard."""

from app import kv
from app.widgets.page import Page


class ShortcutsPage(Page):
    """The keys, and what they do."""


kv.load(__file__)
