"""Everybody in a group: found by name, with their roles, and what the account may do with them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.properties import BooleanProperty, StringProperty

from app import book, clock, kv
from app.screens.group import silenced
from app.widgets import search_field  # noqa: F401 - the rules name it
from app.widgets.conversation_page import GroupPage
from app.widgets.listing import ListRow, row
from app.widgets.menu import Item
from hongyan_client.model import FOR_EVER, Conversation, Group, GroupMember
from hongyan_client.permissions import Act

SILENCES = (600, 3_600, 86_400, 7 * 86_400)
ALWAYS = "always"


class MemberRow(ListRow):
    """A row of a member: with the role, whether they are silent, and a way to the menu."""

    role = StringProperty("")
    silent = BooleanProperty(False)
    acts = BooleanProperty(False)
    """Whether there is something to do with the member."""


class MemberPage(GroupPage):
    """A page with a list of members that can be searched."""

    with_members = True
    query = StringProperty("")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bind(query=self.refresh)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        self.ids.list.data = [self.row(it) for it in self.found()]

    def listed(self) -> Sequence[GroupMember]:
        """Returns whom the page is about."""
        members: Sequence[GroupMember] = self.members
        return members

    def found(self) -> Sequence[GroupMember]:
        """Returns those who are called as the query says."""
        return [it for it in self.listed() if self._matches(it)]

    def _matches(self, member: GroupMember) -> bool:
        user = self.session.user(member.user_id)
        names = {
            self.called(member),
            member.nickname,
            self.session.name(member.user_id),
            user.display_name if user else "",
        }
        return book.is_found(self.query, names, user.handle if user else "")

    def row(self, member: GroupMember, **values: Any) -> dict[str, Any]:
        """Returns the data of a member's row."""
        words, now = App.get_running_app().words, self.now()
        name, note = self.called(member), ""
        if (own := self.session.name(member.user_id)) and own != name:
            note = own
        elif member.nickname and member.nickname != name:
            note = words("members.nickname", name=member.nickname)
        silent = silenced(member.silenced_until, now)
        if silent:
            note = words("members.silenced", until=clock.until(silent, now, words))
        return {
            **row(member.user_id, name, note=note, face=member.user_id),
            "role": member.role if member.role != "member" else "",
            "silent": silent is not None,
            "acts": False,
            **values,
        }


class GroupMembers(MemberPage):
    """All members; a press opens a profile, the ⋯ what else there is to do."""

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("members.title", count=group.member_count)
        super().show_group(conversation, group)

    def row(self, member: GroupMember, **values: Any) -> dict[str, Any]:
        return super().row(member, acts=len(self.items(member)) > 1, **values)

    def open(self, user_id: str) -> None:
        """Opens a member's profile."""
        self.open_person(user_id)

    def menu(self, user_id: str, where: Sequence[float]) -> None:
        """Shows what can be done with a member."""
        member = next((it for it in self.members if it.user_id == user_id), None)
        if member is not None:
            App.get_running_app().menu.show(where, self.items(member))

    def items(self, member: GroupMember) -> list[Item]:
        """Returns what the account may do with a member, as the roles allow it."""
        words, id, role = App.get_running_app().words, member.user_id, member.role
        items = [Item(words("members.profile"), lambda: self.open(id), "account_outline")]
        if id == self.session.user_id:
            return items
        if self.may(Act.SET_ROLE, role):
            to, icon = (
                ("member", "shield_off_outline")
                if role == "admin"
                else ("admin", "shield_account_outline")
            )
            items.append(
                Item(words(f"members.make_{to}"), self._doing(self._set_role, member, to), icon)
            )
        if self.may(Act.SILENCE, role):
            if silenced(member.silenced_until, self.now()):
                items.append(
                    Item(
                        words("members.unsilence"),
                        self._doing(self._silence, member, None),
                        "volume_high",
                    )
                )
            else:
                items.append(
                    Item(
                        words("members.silence"),
                        self._doing(self._ask_silence, member),
                        "volume_off",
                    )
                )
        if self.may(Act.TRANSFER, role):
            items.append(
                Item(words("group.transfer"), self._doing(transfer, self, member), "crown_outline")
            )
        if self.may(Act.REMOVE, role):
            items.append(
                Item(
                    words("members.remove"),
                    self._doing(self._remove, member),
                    "account_remove_outline",
                    danger=True,
                )
            )
        return items

    def _doing(self, work: Callable[..., Awaitable[Any]], *of: Any) -> Callable[[], Any]:
        return lambda: self.session.spawn(work(*of))

    async def _set_role(self, member: GroupMember, role: str) -> None:
        await self.session.client.set_role(self.conversation_id, member.user_id, role)
        App.get_running_app().tell(f"members.is_{role}", name=self.called(member))

    async def _silence(self, member: GroupMember, until: datetime | None) -> None:
        await self.session.client.silence_member(self.conversation_id, member.user_id, until)
        key = "members.was_silenced" if until else "members.was_unsilenced"
        App.get_running_app().tell(key, name=self.called(member))

    async def _ask_silence(self, member: GroupMember) -> None:
        app = App.get_running_app()
        options = [(str(it), clock.span(it, app.words)) for it in SILENCES]
        options.append((ALWAYS, app.words("span.forever")))
        title = app.words("members.silence_title", name=self.called(member))
        if answer := await app.dialogs.choose(title, options):
            forever = answer == ALWAYS
            until = FOR_EVER if forever else self.now() + timedelta(seconds=int(answer))
            await self._silence(member, until)

    async def _remove(self, member: GroupMember) -> None:
        app = App.get_running_app()
        yes = await app.dialogs.confirm(
            app.words("members.remove_title", name=self.called(member)),
            app.words("members.remove_text"),
            yes=app.words("members.remove_yes"),
            danger=True,
        )
        if yes:
            await self.session.client.remove_member(self.conversation_id, member.user_id)


async def transfer(page: GroupPage, member: GroupMember) -> bool:
    """Asks, and makes a member the owner; says whether it was done."""
    app = App.get_running_app()
    yes = await app.dialogs.confirm(
        app.words("members.transfer_title", name=page.called(member)),
        app.words("members.transfer_text"),
        yes=app.words("members.transfer_yes"),
        danger=True,
    )
    if yes:
        await page.session.client.transfer_group(page.conversation_id, member.user_id)
        app.tell("members.is_owner", name=page.called(member))
    return bool(yes)


Factory.register("MemberRow", cls=MemberRow)
kv.load(__file__)
