"""Choosing members of a group: those to be removed, or the one who is the owner next."""

from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.properties import ListProperty, OptionProperty

from app import kv
from app.screens.group_members import MemberPage, transfer
from hongyan_client.model import Conversation, Group, GroupMember
from hongyan_client.permissions import Act

ACTS = {"remove": Act.REMOVE, "transfer": Act.TRANSFER}


class GroupChoose(MemberPage):
    """Those on whom the account may act: several to remove, or one to hand the group to."""

    act = OptionProperty("remove", options=list(ACTS))
    chosen = ListProperty([])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bind(chosen=self.refresh)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        self.title = App.get_running_app().words(f"members.{self.act}_choose")
        here = {it.user_id for it in self.listed()}
        if gone := set(self.chosen) - here:
            self.chosen = [it for it in self.chosen if it not in gone]
        super().show_group(conversation, group)

    def listed(self) -> Sequence[GroupMember]:
        act = ACTS[self.act]
        return [it for it in self.members if self.may(act, it.role)]

    def row(self, member: GroupMember, **values: Any) -> dict[str, Any]:
        check = ""
        if self.act == "remove":
            check = "yes" if member.user_id in self.chosen else "no"
        return super().row(member, check=check, **values)

    def open(self, user_id: str) -> None:
        """Ticks a member, or asks whether it is to be this one."""
        if self.act == "transfer":
            member = next(it for it in self.members if it.user_id == user_id)
            self.session.spawn(self._transfer(member))
        elif user_id in self.chosen:
            self.chosen = [it for it in self.chosen if it != user_id]
        else:
            self.chosen = [*self.chosen, user_id]

    def menu(self, user_id: str, where: Sequence[float]) -> None:
        """There is none here."""

    async def _transfer(self, member: GroupMember) -> None:
        if await transfer(self, member):
            self.done()

    def remove(self) -> None:
        """Asks, and removes those who are ticked."""
        self.session.spawn(self._remove())

    async def _remove(self) -> None:
        app, chosen = App.get_running_app(), list(self.chosen)
        named = [self.called(it) for it in self.members if it.user_id in chosen]
        yes = await app.dialogs.confirm(
            app.words("members.remove_title", name="、".join(named[:4])),
            app.words("members.remove_text"),
            yes=app.words("members.remove_yes"),
            danger=True,
        )
        if not yes:
            return
        for user_id in chosen:
            await self.session.client.remove_member(self.conversation_id, user_id)
        app.tell("members.removed", count=len(chosen))
        self.done()


kv.load(__file__)
