"""Choosing some friends: a list to tick, a search, and the strip of those who are chosen."""

from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.factory import Factory
from kivy.properties import DictProperty, ListProperty, NumericProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout

from app import book, kv
from app.book import Friend
from app.widgets.listing import heading, row
from app.widgets.page import Page


class ChosenFace(ButtonBehavior, BoxLayout):
    """One of those who are chosen; a press takes the person out again."""

    user_id = StringProperty("")


class PickPeople(Page):
    """Its result is the list of the user ids that were chosen; those in `fixed` are in already."""

    fixed = ListProperty([])
    limit = NumericProperty(500)
    chosen = DictProperty({})
    """The user ids that are ticked, in the order of ticking."""
    query = StringProperty("")

    def __init__(
        self, title: str = "", fixed: Sequence[str] = (), limit: int = 500, **options: Any
    ) -> None:
        words = App.get_running_app().words
        super().__init__(
            title=title or words("people.pick"), fixed=list(fixed), limit=limit, **options
        )
        self._friends: list[Friend] = []
        self._refresh = Clock.create_trigger(self._load, 0.05)
        self.bind(query=self._show, chosen=self._chosen_changed)

    def entered(self) -> None:
        self.session.bind(on_people=self._refresh)
        self._load()

    def left(self) -> None:
        self.session.unbind(on_people=self._refresh)
        self._refresh.cancel()

    def _load(self, *_: Any) -> None:
        self.session.spawn(self._read())

    async def _read(self) -> None:
        self._friends = await book.friends(self.session)
        self._show()

    def _show(self, *_: Any) -> None:
        data: list[dict[str, Any]] = []
        letter = ""
        starred = App.get_running_app().words("contacts.starred")
        for it in self._friends:
            if not it.is_found_by(self.query):
                continue
            under = starred if it.contact.starred else it.letter
            if under != letter:
                letter = under
                data.append(heading(letter))
            data.append(row(it.user_id, it.name, face=it.user_id, check=self._check(it.user_id)))
        self.ids.list.data = data
        self.ids.none.opacity = 0 if data else 1

    def _check(self, user_id: str) -> str:
        if user_id in self.fixed:
            return "fixed"
        return "yes" if user_id in self.chosen else "no"

    def toggle(self, user_id: str) -> None:
        """Ticks a friend, or takes the tick away."""
        if user_id in self.fixed:
            return
        chosen = dict(self.chosen)
        if user_id in chosen:
            del chosen[user_id]
        elif len(chosen) + len(self.fixed) >= self.limit:
            App.get_running_app().tell("people.pick_limit", count=int(self.limit))
            return
        else:
            chosen[user_id] = True
        self.chosen = chosen

    def _chosen_changed(self, *_: Any) -> None:
        strip = self.ids.strip
        strip.clear_widgets()
        for user_id in self.chosen:
            face = ChosenFace(user_id=user_id)
            face.bind(on_release=lambda it: self.toggle(it.user_id))
            strip.add_widget(face)
        strip.do_layout()
        self.ids.strip_view.scroll_x = 1 if strip.minimum_width > self.ids.strip_view.width else 0
        # Ticks are in the rows that are there: a search goes on after one.
        for it in self.ids.list.data:
            if it["check"]:
                it["check"] = self._check(it["key"])
        self.ids.list.refresh_from_data()

    def finish(self) -> None:
        """Goes back with those who are chosen."""
        self.done(list(self.chosen))


Factory.register("ChosenFace", cls=ChosenFace)
kv.load(__file__)
