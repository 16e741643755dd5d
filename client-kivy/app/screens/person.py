"""One person: the profile, what the person is to the account, and what can be done."""

from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.core.clipboard import Clipboard
from kivy.factory import Factory
from kivy.properties import (
    BooleanProperty,
    ListProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout

from app import clock, kv
from app.text import RichText
from app.widgets.people_page import PeoplePage
from hongyan_client.errors import Unavailable
from hongyan_client.model import ContactRequest

GREETING, REMARK = 200, 64


class PersonLine(RichText):
    """A line about the person; without a text it takes no room."""

    def _measure(self, *_: Any) -> None:
        super()._measure()
        if not self.text:
            self.size = (0, 0)


class PersonHandle(ButtonBehavior, BoxLayout):
    """The handle: a press copies it."""

    text = StringProperty("")


class PersonCard(BoxLayout):
    """The top of the page: the picture, and what the person is called and says."""

    page = ObjectProperty(None, allownone=True)
    user_id = StringProperty("")
    name = StringProperty("")
    nickname = StringProperty("")
    handle = StringProperty("")
    region = StringProperty("")
    presence = StringProperty("")
    online = BooleanProperty(False)
    bot = BooleanProperty(False)
    starred = BooleanProperty(False)
    greeting = StringProperty("")
    signature = StringProperty("")


class Person(PeoplePage):
    """What is shown follows from `kind`: oneself, a friend, who asks, who was asked, a stranger.

    `source` says how the account came upon the person: search, code (with the code), group (with
    the conversation) or card (with the conversation and the message's seq); chat is search.
    """

    user_id = StringProperty("")
    kind = OptionProperty("stranger", options=["me", "friend", "asking", "asked", "stranger"])
    name = StringProperty("")
    nickname = StringProperty("")
    """The name that the person chose, where the account has a remark."""
    handle = StringProperty("")
    region = StringProperty("")
    signature = StringProperty("")
    presence = StringProperty("")
    online = BooleanProperty(False)
    bot = BooleanProperty(False)
    remark = StringProperty("")
    tags = ListProperty([])
    starred = BooleanProperty(False)
    blocked = BooleanProperty(False)
    greeting = StringProperty("")
    """What the person says who asks, or what the account said."""
    groups = ListProperty([])
    """The ids of the groups in common that this device knows of."""

    def __init__(
        self,
        user_id: str,
        source: str = "chat",
        conversation_id: str = "",
        seq: int = 0,
        code: str = "",
        **options: Any,
    ) -> None:
        words = App.get_running_app().words
        super().__init__(user_id=user_id, title=words("person.title"), **options)
        self._source = "search" if source == "chat" else source
        self._conversation_id, self._seq, self._code = conversation_id, seq, code

    def entered(self) -> None:
        self.session.watch("person", [self.user_id])
        super().entered()
        self.session.spawn(self._ask())

    def left(self) -> None:
        super().left()
        self.session.watch("person", ())

    async def _ask(self) -> None:
        """Gets the profile as it is now; what the cache has is shown while the server is away."""
        try:
            await self.session.client.user(self.user_id, fresh=True)
        except Unavailable:
            return
        self.session.dispatch("on_people")

    # What is shown

    async def read(self) -> None:
        session, client = self.session, self.session.client
        words = App.get_running_app().words
        user, contact = session.user(self.user_id), client.contact(self.user_id)
        request = next(
            (it for it in await client.contact_requests() if it.user_id == self.user_id), None
        )
        self.title = words("person.title")
        self.name = session.name(self.user_id) or "…"
        self.nickname = user.display_name if user and contact.remark else ""
        self.handle = user.handle if user else ""
        self.region = user.region if user else ""
        self.signature = user.signature if user else ""
        self.bot = bool(user and user.bot)
        self.remark, self.tags = contact.remark, list(contact.tags)
        self.starred, self.blocked = contact.starred, contact.blocked
        pending = request if request and request.state == "pending" else None
        self.kind = self._kind(contact.friend, pending)
        self.greeting = pending.greeting if pending and self.kind in ("asking", "asked") else ""
        self.groups = self._groups_in_common()
        self._show_presence()

    def _kind(self, friend: bool, pending: ContactRequest | None) -> str:
        if self.user_id == self.session.user_id:
            return "me"
        if friend:
            return "friend"
        if pending:
            return "asking" if pending.incoming else "asked"
        return "stranger"

    def _groups_in_common(self) -> list[str]:
        if self.kind == "me":
            return []
        return [
            it.conversation_id
            for it in self.session.client.known_conversations()
            if it.group
            and it.group.role
            and (
                self.user_id in it.group.picture_user_ids
                or any(member.user_id == self.user_id for member in it.members)
            )
        ]

    def _show_presence(self) -> None:
        words, presence = App.get_running_app().words, self.session.client.presence(self.user_id)
        self.online = self.session.is_online(self.user_id) and self.kind != "me"
        if self.online:
            self.presence = words("person.online")
        elif presence.active_at and self.kind != "me":
            when = clock.full(presence.active_at, datetime.now(UTC), words)
            self.presence = words("person.seen", when=when)
        else:
            self.presence = ""

    # What can be done

    def show_picture(self) -> None:
        """Shows the picture large."""
        self.session.spawn(self._show_picture())

    async def _show_picture(self) -> None:
        app = App.get_running_app()
        app.viewer.show(await self.faces.large(self.user_id), self.name)

    def copy_handle(self) -> None:
        """Puts the handle on the clipboard."""
        Clipboard.copy(self.handle)
        App.get_running_app().tell("copied")

    def write(self) -> None:
        """Opens the chat."""
        self.session.spawn(self._write())

    async def _write(self) -> None:
        conversation = await self.session.client.open_direct(self.user_id)
        App.get_running_app().open_chat(conversation.conversation_id)

    def add(self) -> None:
        """Asks the person to be friends."""
        self.session.spawn(self._add())

    async def _add(self) -> None:
        app, client = App.get_running_app(), self.session.client
        mine = app.words("person.greeting_mine", name=self.session.name(self.session.user_id))
        greeting = await app.dialogs.ask(
            app.words("person.greeting"),
            mine,
            hint=app.words("person.greeting_hint"),
            yes=app.words("button.send"),
            limit=GREETING,
            multiline=True,
        )
        if greeting is None:
            return
        if self._source == "card":
            place = (self._conversation_id, self._seq)
            asked = await client.request_by_card(*place, greeting=greeting)
        elif self._code:
            asked = await client.request_contact(code=self._code, greeting=greeting)
        else:
            asked = await client.request_contact(
                self.user_id,
                greeting=greeting,
                source=self._source,
                conversation_id=self._conversation_id if self._source == "group" else "",
            )
        app.tell("contacts.friends_now" if asked.state == "accepted" else "contacts.asked")
        self.read_again()

    def accept(self) -> None:
        """Accepts the person's request."""
        self.session.spawn(self._accept())

    async def _accept(self) -> None:
        await self.session.client.accept_contact(self.user_id)
        App.get_running_app().tell("contacts.friends_now")
        self.read_again()

    def change_remark(self) -> None:
        """Asks for the account's own name for the friend."""
        self.session.spawn(self._change_remark())

    async def _change_remark(self) -> None:
        app = App.get_running_app()
        remark = await app.dialogs.ask(
            app.words("person.remark"),
            self.remark,
            hint=app.words("person.remark_hint"),
            limit=REMARK,
        )
        if remark is not None:
            await self.session.client.update_contact(self.user_id, remark=remark)
            self.session.dispatch("on_people")
            self.session.dispatch("on_chats")

    def change_tags(self) -> None:
        """Opens the friend's tags."""
        self.session.spawn(self._change_tags())

    async def _change_tags(self) -> None:
        app = App.get_running_app()
        chosen = await app.pick("pick_tags", chosen=list(self.tags))
        if chosen is not None:
            await self.session.client.update_contact(self.user_id, tags=chosen)
            self.read_again()

    def star(self, starred: bool) -> None:
        """Puts the friend above the others, or back."""
        self.session.spawn(self._star(starred))

    async def _star(self, starred: bool) -> None:
        await self.session.client.update_contact(self.user_id, starred=starred)
        self.session.dispatch("on_people")

    def share(self) -> None:
        """Sends the friend's card to chats."""
        self.session.spawn(self._share())

    async def _share(self) -> None:
        app = App.get_running_app()
        chosen = await app.pick("pick_chat", title=app.words("person.share_to"))
        for conversation_id in chosen or ():
            await self.session.client.send_card(conversation_id, self.user_id)
        if chosen:
            app.tell("person.shared")

    def show_groups(self) -> None:
        """Lists the groups in common."""
        title = App.get_running_app().words("person.groups")
        App.get_running_app().go("groups_list", title=title, ids=list(self.groups))

    def block(self, blocked: bool) -> None:
        """Refuses what the person sends, or takes that back."""
        self.session.spawn(self._block(blocked))

    async def _block(self, blocked: bool) -> None:
        app, client = App.get_running_app(), self.session.client
        if not blocked:
            await client.unblock(self.user_id)
            app.tell("person.unblocked")
        elif await app.dialogs.confirm(
            app.words("person.block_ask"),
            app.words("person.block_what"),
            yes=app.words("person.block"),
            danger=True,
        ):
            await client.block(self.user_id)
            app.tell("person.blocked")
        self.session.dispatch("on_people")

    def delete(self) -> None:
        """Takes the friend out of the contacts."""
        self.session.spawn(self._delete())

    async def _delete(self) -> None:
        app = App.get_running_app()
        if await app.dialogs.confirm(
            app.words("person.delete_ask", name=self.name),
            app.words("person.delete_what"),
            yes=app.words("person.delete"),
            danger=True,
        ):
            await self.session.client.delete_contact(self.user_id)
            app.tell("person.deleted")
            self.session.dispatch("on_people")
            self.done()

    def edit(self) -> None:
        """Opens the own profile."""
        App.get_running_app().go("me")


for made in (PersonLine, PersonHandle, PersonCard):
    Factory.register(made.__name__, cls=made)
kv.load(__file__)
