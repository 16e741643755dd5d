"""Ways into a group: an invite as a QR code and a link, and the invites that work."""

import asyncio
from typing import Any

from kivy.app import App
from kivy.core.clipboard import Clipboard
from kivy.factory import Factory
from kivy.properties import BooleanProperty, ListProperty, NumericProperty, StringProperty

from app import clock, files, kv
from app.widgets.conversation_page import GroupPage
from app.widgets.section import Row
from hongyan_client import codes
from hongyan_client.errors import HongyanError
from hongyan_client.groups import JOIN_LINK
from hongyan_client.model import Conversation, Group, Invite
from hongyan_client.permissions import Act

LIFETIMES = (3_600, 86_400, 7 * 86_400, 30 * 86_400)
WEEK = 7 * 86_400
USES = (1, 10, 50, 0)


class InviteRow(Row):
    """An invite that works, and the button that revokes it."""

    __events__ = ("on_revoke",)

    def on_revoke(self) -> None:
        """The button was pressed."""


class GroupCode(GroupPage):
    """Makes an invite; its code is known only to who has made it, while the page is open."""

    name = StringProperty("")
    link = StringProperty("")
    until = StringProperty("")
    lifetime = NumericProperty(WEEK)
    uses = NumericProperty(0)
    approval = BooleanProperty(False)
    busy = BooleanProperty(False)
    invites = ListProperty([])

    def __init__(self, **options: Any) -> None:
        self._invite: Invite | None = None
        self._version = -1
        super().__init__(**options)
        self.bind(invites=self.refresh)

    def entered(self) -> None:
        super().entered()
        self.session.spawn(self._look())

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("group.code")
        if not self.may(Act.INVITE):
            self.done()
            return
        self.name = self.session.title(conversation)
        self.approval = group.settings.approval
        if self._invite:
            when = clock.until(self._invite.expires_at, self.now(), words)
            self.until = f"{self._uses(self._invite.uses_left)} · {when}"
        self._list()

    def _uses(self, count: int) -> str:
        words = App.get_running_app().words
        return words("invite.uses", count=count) if count else words("invite.any")

    def _list(self) -> None:
        words, section = App.get_running_app().words, self.ids.invites
        section.clear_rows()
        for it in self.invites:
            when = clock.until(it.expires_at, self.now(), words)
            row = InviteRow(
                label=words("invite.by", name=self.session.name(it.inviter_id) or "…"),
                detail=f"{self._uses(it.uses_left)} · {when}",
            )
            row.bind(on_revoke=lambda _, it=it: self.session.spawn(self._revoke(it)))
            section.add_widget(row)

    async def _look(self) -> None:
        try:
            self.invites = await self.session.client.invites(self.conversation_id)
        except HongyanError:
            return  # making one says what is wrong

    # A new one

    def choose_lifetime(self) -> None:
        """Asks for how long the next one is to work."""
        words = App.get_running_app().words
        options = [(str(it), clock.span(it, words)) for it in LIFETIMES]
        self.session.spawn(self._choose("lifetime", options))

    def choose_uses(self) -> None:
        """Asks how many may come by the next one."""
        options = [(str(it), self._uses(it)) for it in USES]
        self.session.spawn(self._choose("uses", options))

    async def _choose(self, name: str, options: list[tuple[str, str]]) -> None:
        app, chosen = App.get_running_app(), str(int(getattr(self, name)))
        answer = await app.dialogs.choose(app.words(f"invite.{name}_row"), options, chosen)
        if answer is not None:
            setattr(self, name, int(answer))

    def lasting(self, *_: Any) -> str:
        """Returns for how long the next one is to work, in words."""
        return clock.span(int(self.lifetime), App.get_running_app().words)

    def many(self, *_: Any) -> str:
        """Returns how many may come by the next one, in words."""
        return self._uses(int(self.uses))

    def make(self) -> None:
        """Makes an invite and shows it."""
        self.session.spawn(self._make())

    async def _make(self) -> None:
        self.busy = True
        try:
            self._invite = await self.session.client.create_invite(
                self.conversation_id,
                lifetime_seconds=int(self.lifetime),
                max_uses=int(self.uses),
            )
        finally:
            self.busy = False
        self.link = JOIN_LINK + self._invite.code
        self.refresh()
        self.ids.sheet.scroll_y = 1
        await self._look()

    # What to do with it

    def copy(self) -> None:
        """Puts the link on the clipboard."""
        Clipboard.copy(self.link)
        App.get_running_app().tell("invite.copied")

    def save(self) -> None:
        """Writes the code as a picture."""
        self.session.spawn(self._save())

    async def _save(self) -> None:
        app = App.get_running_app()
        data = await asyncio.to_thread(codes.png, self.link)
        try:
            path = await files.save(f"{app.words('invite.file')}.png", data)
        except OSError as error:
            app.tell("invite.not_saved", why=error.strerror or str(error))
            return
        if path is not None:
            app.tell("invite.saved", path=path)

    async def _revoke(self, invite: Invite) -> None:
        app = App.get_running_app()
        yes = await app.dialogs.confirm(
            app.words("invite.revoke_title"),
            app.words("invite.revoke_text"),
            yes=app.words("invite.revoke"),
            danger=True,
        )
        if not yes:
            return
        await self.session.client.revoke_invite(self.conversation_id, invite.invite_id)
        if self._invite and self._invite.invite_id == invite.invite_id:
            self._invite, self.link, self.until = None, "", ""
        app.tell("invite.revoked")
        await self._look()


Factory.register("InviteRow", cls=InviteRow)
kv.load(__file__)
