"""What this program is: its version, where it is connected to, and what it is made of."""

import importlib.metadata

from kivy.properties import StringProperty

from app import kv
from app.widgets.page import Page


def version() -> str:
    """Returns the version of what is installed; empty in a checkout that is not."""
    try:
        return importlib.metadata.version("hongyan")
    except importlib.metadata.PackageNotFoundError:
        return ""


class AboutPage(Page):
    """The program's own card."""

    version = StringProperty("")
    gateway = StringProperty("")

    def entered(self) -> None:
        self.version = version()
        self.gateway = self.session.client.address


kv.load(__file__)
