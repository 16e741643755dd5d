"""Where links lead: those that were scanned, pasted, or given to the app from outside."""

import asyncio
import webbrowser

from kivy.app import App
from kivy.core.clipboard import Clipboard

from hongyan_client.groups import JOIN_LINK
from hongyan_client.people import ADD_LINK

LOGIN_LINK = "hongyan://login/"
WEB = ("http://", "https://")
# What is shown of a text that is no link.
SHOWN = 500


def open_link(link: str) -> "asyncio.Task[None]":
    """Follows a link: to a person, to a group's door, to the browser after a question; what is
    none of them is shown. What the server refuses is told."""
    task: asyncio.Task[None] = App.get_running_app().session.spawn(_follow(link.strip()))
    return task


async def _follow(link: str) -> None:
    app = App.get_running_app()
    if not app.session.signed_in:
        app.tell("links.log_in")
    elif link.startswith(ADD_LINK):
        code = link.removeprefix(ADD_LINK)
        user_id = await app.session.client.resolve_contact_code(code)
        app.go("person", user_id=user_id, source="code", code=code)
    elif link.startswith(JOIN_LINK):
        app.go("join", code=link.removeprefix(JOIN_LINK))
    elif link.startswith(LOGIN_LINK):
        await app.dialogs.confirm(app.words("links.login"), app.words("links.login_what"))
    elif link.lower().startswith(WEB):
        if await app.dialogs.confirm(
            app.words("links.web"), link[:SHOWN], yes=app.words("links.open")
        ):
            await asyncio.to_thread(webbrowser.open, link)
    elif await app.dialogs.confirm(
        app.words("links.text"), link[:SHOWN], yes=app.words("links.copy")
    ):
        Clipboard.copy(link)
        app.tell("copied")
