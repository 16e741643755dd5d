"""Who waits to be let into a group: what they say, who brought them, and the answer."""

from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.metrics import dp
from kivy.properties import BooleanProperty, ListProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.recycleview.views import RecycleDataViewBehavior

from app import kv
from app.text import layout, scaled
from app.widgets.conversation_page import GroupPage
from app.widgets.listing import Listing
from app.widgets.press import Pressable
from hongyan_client.errors import HongyanError
from hongyan_client.model import Conversation, Group, JoinRequest
from hongyan_client.permissions import Act

# The height of a row without a greeting, what is beside a greeting, and below it.
LINE, BESIDE, GAP = 64.0, 82.0, 12.0


class RequestListing(Listing):
    """The list of who waits: its rows have two buttons."""

    __events__ = ("on_decline",)  # type: ignore[assignment]

    def on_decline(self, key: str) -> None:
        """The button that declines was pressed."""


class JoinRequestRow(RecycleDataViewBehavior, Pressable, BoxLayout):
    """Somebody who waits, with all that they say, and the two answers."""

    name = StringProperty("")
    by = StringProperty("")
    greeting = StringProperty("")
    listing = ObjectProperty(None, allownone=True)
    """The list that it is a row of, also while it waits to be one again."""

    def on_parent(self, *_: Any) -> None:
        if self.parent:
            self.listing = self.parent.recycleview

    def tapped(self, key: str) -> None:
        self.listing.dispatch("on_choose", key)


class GroupRequests(GroupPage):
    """Those who wait, the oldest first. Who may not answer any more is led away."""

    waiting = ListProperty([])
    known = BooleanProperty(False)
    """Whether the server has said who waits."""

    def __init__(self, **options: Any) -> None:
        self._asked = (-1, -1)
        super().__init__(**options)
        self.bind(waiting=self.refresh)
        self.ids.list.bind(width=self.refresh)

    def show_group(self, conversation: Conversation, group: Group) -> None:
        self.title = App.get_running_app().words("group.requests")
        if not self.may(Act.APPROVE):
            self.done()
            return
        stands = (group.waiting_count, group.member_version)
        if stands != self._asked:
            self._asked = stands
            self.session.spawn(self._look())
        self.ids.list.data = [self._row(it) for it in self.waiting]

    async def _look(self) -> None:
        try:
            found = await self.session.client.join_requests(self.conversation_id)
        except HongyanError:
            self._asked = (-1, -1)  # the next event asks again
            return
        self.waiting, self.known = found, True

    def _row(self, request: JoinRequest) -> dict[str, Any]:
        by = self.session.name(request.inviter_id) or "…"
        height = dp(LINE)
        if request.greeting:
            width = self.ids.list.width - dp(BESIDE)
            height += layout(request.greeting, scaled(14), width).height + dp(GAP)
        return {
            "key": request.user_id,
            "name": self.session.name(request.user_id) or "…",
            "by": App.get_running_app().words("waiting.by", name=by),
            "greeting": request.greeting,
            "key_size": (None, height),
        }

    def open(self, user_id: str) -> None:
        """Opens the profile of who waits."""
        App.get_running_app().go("person", user_id=user_id)

    def answer(self, user_id: str, *, approve: bool) -> None:
        """Lets somebody in, or not."""
        self.session.spawn(self._answer(user_id, approve))

    async def _answer(self, user_id: str, approve: bool) -> None:
        name = self.session.name(user_id)
        try:
            await self.session.client.answer_join_request(
                self.conversation_id, user_id, approve=approve
            )
        finally:
            await self._look()
        key = "waiting.approved" if approve else "waiting.declined"
        App.get_running_app().tell(key, name=name)


Factory.register("RequestListing", cls=RequestListing)
Factory.register("JoinRequestRow", cls=JoinRequestRow)
kv.load(__file__)
