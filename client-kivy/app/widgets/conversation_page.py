"""Pages about one conversation, kept by events; those of a group end with one's being in it."""

from datetime import UTC, datetime
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import ListProperty, StringProperty

from app.widgets.page import Page
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation, Group, GroupMember
from hongyan_client.permissions import Act, may

# Events that come together are one change of the page.
TOGETHER_SECONDS = 0.03


class ConversationPage(Page):
    """A page that shows `conversation`, again whenever something about it changes."""

    conversation_id = StringProperty("")

    def __init__(self, **options: Any) -> None:
        self._refresh = Clock.create_trigger(self._show, TOGETHER_SECONDS)
        super().__init__(**options)

    @property
    def conversation(self) -> Conversation | None:
        """What the cache has of it."""
        found: Conversation | None = self.session.client.conversation(self.conversation_id)
        return found

    def entered(self) -> None:
        session, app = self.session, App.get_running_app()
        session.bind(
            on_chats=self.refresh,
            on_messages=self.on_entries,
            on_people=self.refresh,
            state=self.refresh,
        )
        self.faces.bind(on_changed=self.refresh)
        app.words.bind(language=self.refresh)
        self._show()

    def left(self) -> None:
        session, app = self.session, App.get_running_app()
        session.unbind(
            on_chats=self.refresh,
            on_messages=self.on_entries,
            on_people=self.refresh,
            state=self.refresh,
        )
        self.faces.unbind(on_changed=self.refresh)
        app.words.unbind(language=self.refresh)
        self._refresh.cancel()

    def refresh(self, *_: Any) -> None:
        """Shows it again in a moment."""
        self._refresh()

    def on_entries(self, _: Any, conversation_id: str) -> None:
        """Something was said, or read, in a conversation; "": in all."""
        if conversation_id in ("", self.conversation_id):
            self._refresh()

    def _show(self, *_: Any) -> None:
        if self.session.signed_in and (found := self.conversation):
            self.show(found)

    def show(self, conversation: Conversation) -> None:
        """Puts on the page what there is to show."""

    @staticmethod
    def now() -> datetime:
        """Now."""
        return datetime.now(UTC)


class GroupPage(ConversationPage):
    """A page about a group. When the account is removed from it, it says so and is left."""

    members = ListProperty([])
    """Everybody, the owner first, where `with_members` asks for them; else and before, nobody."""
    with_members = False
    for_former = False
    """Whether there is something to see for who is a member no more."""

    def __init__(self, **options: Any) -> None:
        self._was_member = False
        self._version = -1
        self._fetching = False
        super().__init__(**options)
        self.bind(members=self.refresh)

    def show(self, conversation: Conversation) -> None:
        group = conversation.group
        if group is None:
            return
        if not group.role and (self._was_member or not self.for_former):
            self._say_gone(conversation, group)
            self.done()
            return
        self._was_member = bool(group.role)
        if self.with_members and group.role and group.member_version != self._version:
            self._fetch()
        self.show_group(conversation, group)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        """Puts on the page what there is to show."""

    def may(self, act: Act, other: str = "") -> bool:
        """Says whether the account may do it, on a member of the role `other`."""
        found = self.conversation
        return bool(found and found.group and may(act, found.group, other))

    def called(self, member: GroupMember) -> str:
        """Returns what a member is called in the group; what the account says comes first."""
        remark = str(self.session.client.contact(member.user_id).remark)
        return remark or member.nickname or self.session.name(member.user_id) or "…"

    def open_person(self, user_id: str) -> None:
        """Opens the profile of somebody whom the account knows by the group."""
        App.get_running_app().go(
            "person", user_id=user_id, source="group", conversation_id=self.conversation_id
        )

    def _fetch(self) -> None:
        if not self._fetching:
            self._fetching = True
            self.session.spawn(self._fetch_members())

    async def _fetch_members(self) -> None:
        found = self.conversation
        version = found.group.member_version if found and found.group else -1
        try:
            members = await self.session.client.group_members(self.conversation_id)
        except HongyanError:
            return  # it is asked for again with the next event: one says why, or it is back
        finally:
            self._fetching = False
        self._version = version
        if members == self.members:
            self.refresh()
        self.members = members

    def _say_gone(self, conversation: Conversation, group: Group) -> None:
        """Says why the page is left, unless it was the account's own will."""
        last, app = conversation.last_message, App.get_running_app()
        if last is not None and last.event and last.sender_id == self.session.user_id:
            return
        key = "group.was_dissolved" if group.dissolved else "group.was_removed"
        app.tell(key, name=self.session.title(conversation))
