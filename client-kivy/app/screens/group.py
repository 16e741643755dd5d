"""About a group: who is in it, what is announced, how it is led, and what it is to the account."""

from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty

from app import clock, kv
from app.widgets import chat_options, group_rules, member_grid  # noqa: F401 - the rules name them
from app.widgets.conversation_page import GroupPage
from hongyan_client.model import Conversation, Group, GroupMember
from hongyan_client.permissions import Act, may

# The first rows of the grid; the others are on a page of their own.
TILES = 20
NAME = 64
# So many may be brought in by one call.
AT_ONCE = 200
ADD, TAKE = "+", "-"


class GroupInfo(GroupPage):
    """What the ⋯ of a group's chat opens; rows that the account may not use are not there."""

    with_members = True
    for_former = True
    name = StringProperty("")
    about = StringProperty("")
    texture = ObjectProperty(None, allownone=True)
    count = NumericProperty(0)
    named = BooleanProperty(False)
    announcement = StringProperty("")
    nickname = StringProperty("")
    waiting = NumericProperty(0)
    in_it = BooleanProperty(False)
    may_edit = BooleanProperty(False)
    may_announce = BooleanProperty(False)
    may_invite = BooleanProperty(False)
    may_approve = BooleanProperty(False)
    may_leave = BooleanProperty(False)
    may_dissolve = BooleanProperty(False)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        words = App.get_running_app().words
        self.title = words("group.title")
        self.name = self.session.title(conversation)
        self.named, self.count = bool(group.settings.name), group.member_count
        self.texture = self.faces.of(conversation)
        self.about = self._about(group)
        self.announcement = " ".join(group.announcement.split())
        self.nickname = group.nickname
        self.in_it, self.waiting = bool(group.role), group.waiting_count
        self.may_edit = may(Act.EDIT, group)
        self.may_announce = may(Act.ANNOUNCE, group)
        self.may_invite = may(Act.INVITE, group)
        self.may_approve = may(Act.APPROVE, group)
        self.may_leave = may(Act.LEAVE, group)
        self.may_dissolve = may(Act.DISSOLVE, group)
        self.ids.grid.data = self._tiles(group)
        self.ids.rules.show(self.conversation_id, group)
        self.ids.options.show(conversation)

    def _about(self, group: Group) -> str:
        words = App.get_running_app().words
        if group.dissolved:
            return words("group.is_dissolved")
        if not group.role:
            return words("group.not_in_it")
        if silence := silenced(group.silenced_until, self.now()):
            return words("group.you_silenced", until=clock.until(silence, self.now(), words))
        text = counted(group.member_count)
        return f"{text} · {words('group.muted_now')}" if group.settings.muted else text

    def _tiles(self, group: Group) -> list[dict[str, Any]]:
        if not group.role:
            return []
        # Before the server has said who is in it, those of the picture are known.
        known: Sequence[GroupMember] = self.members or [
            GroupMember(it, "member") for it in group.picture_user_ids
        ]
        tiles: list[dict[str, Any]] = [
            {
                "key": it.user_id,
                "label": self.called(it),
                "texture": self.faces.of_user(it.user_id),
            }
            for it in known[:TILES]
        ]
        words = App.get_running_app().words
        if may(Act.INVITE, group):
            tiles.append({"key": ADD, "icon": "plus", "label": words("group.add")})
        if any(may(Act.REMOVE, group, it.role) for it in self.members):
            tiles.append({"key": TAKE, "icon": "minus", "label": words("group.take")})
        return tiles

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self.session.spawn(work)

    def _go(self, name: str, **options: Any) -> None:
        App.get_running_app().go(name, conversation_id=self.conversation_id, **options)

    # Who is in it

    def choose(self, key: str) -> None:
        """Brings friends in, takes somebody out, or opens a member's profile."""
        if key == ADD:
            self._spawn(self._add())
        elif key == TAKE:
            self._go("group_choose", act="remove")
        else:
            self.open_person(key)

    async def _add(self) -> None:
        app = App.get_running_app()
        inside = [it.user_id for it in self.members]
        chosen = await app.pick(
            "pick_people",
            title=app.words("group.add_title"),
            fixed=inside,
            limit=len(inside) + AT_ONCE,
        )
        if not chosen:
            return
        _, waiting = await self.session.client.add_members(self.conversation_id, chosen)
        app.tell("group.asked" if waiting else "group.added")
        self.refresh()

    def all_members(self) -> None:
        """Opens the list of all members."""
        self._go("group_members")

    def transfer(self) -> None:
        """Lets the owner choose who is it next."""
        self._go("group_choose", act="transfer")

    # What it is called, and oneself in it

    def rename(self) -> None:
        """Asks for another name."""
        self._spawn(self._rename())

    async def _rename(self) -> None:
        app = App.get_running_app()
        before = self.name if self.named else ""
        name = await app.dialogs.ask(
            app.words("group.name"), before, hint=app.words("group.name_hint"), limit=NAME
        )
        if name is not None and name != before:
            await self.session.client.update_group(self.conversation_id, name=name)

    def rename_me(self) -> None:
        """Asks for the account's name in the group."""
        self._spawn(self._rename_me())

    async def _rename_me(self) -> None:
        app = App.get_running_app()
        name = await app.dialogs.ask(
            app.words("group.nickname"),
            self.nickname,
            text=app.words("group.nickname_note"),
            hint=self.session.name(self.session.user_id),
            limit=NAME,
        )
        if name is not None and name != self.nickname:
            await self.session.client.set_nickname(self.conversation_id, name)

    # Pages of its own

    def open_announcement(self) -> None:
        """Opens what is announced."""
        self._go("announcement")

    def open_code(self) -> None:
        """Opens the ways in: codes and links."""
        self._go("group_code")

    def open_requests(self) -> None:
        """Opens who waits to be let in."""
        self._go("group_requests")

    # The end of it

    def leave(self) -> None:
        """Asks, and leaves the group."""
        self._spawn(self._end("leave", self.session.client.leave_group))

    def dissolve(self) -> None:
        """Asks, and ends the group for everybody."""
        self._spawn(self._end("dissolve", self.session.client.dissolve_group))

    async def _end(self, how: str, end: Any) -> None:
        app, words = App.get_running_app(), App.get_running_app().words
        yes = await app.dialogs.confirm(
            words(f"group.{how}_title", name=self.name),
            words(f"group.{how}_text"),
            yes=words(f"group.{how}"),
            danger=True,
        )
        if yes:
            await end(self.conversation_id)
            app.tell(f"group.{how}_done", name=self.name)


def counted(count: int) -> str:
    """Says how many members there are."""
    words = App.get_running_app().words
    return str(words("group.count" if count != 1 else "group.count_one", count=count))


def silenced(until: datetime | None, now: datetime) -> datetime | None:
    """Returns until when somebody is silenced, None for who may write."""
    return until if until and until > now else None


kv.load(__file__)
