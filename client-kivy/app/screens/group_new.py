"""Making a group: whom it is of, what it is called, and then its chat."""

import uuid
from collections.abc import Sequence
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, ListProperty, StringProperty

from app import kv
from app.widgets import member_grid  # noqa: F401 - the rules name it
from app.widgets.page import Page

MOST = 499
SHOWN = 4
CHOOSE = "+"


class GroupNew(Page):
    """The friends who are chosen and a name; those it was opened with stay in it."""

    user_ids = ListProperty([])
    hint = StringProperty("")
    busy = BooleanProperty(False)

    def __init__(self, user_ids: Sequence[str] = (), **options: Any) -> None:
        self._fixed = tuple(user_ids)
        # A retry of the same group has the same id, so that there is no second one.
        self._attempt: tuple[tuple[str, ...], str] | None = None
        self._id = ""
        self._refresh = Clock.create_trigger(self._show, 0.03)
        super().__init__(**options)
        self.user_ids = list(self._fixed)

    def entered(self) -> None:
        self.session.bind(on_people=self.refresh)
        self.faces.bind(on_changed=self.refresh)
        App.get_running_app().words.bind(language=self.refresh)
        self.bind(user_ids=self.refresh)
        self._show()
        if not self.user_ids:
            self.choose(CHOOSE)

    def left(self) -> None:
        self.session.unbind(on_people=self.refresh)
        self.faces.unbind(on_changed=self.refresh)
        App.get_running_app().words.unbind(language=self.refresh)
        self._refresh.cancel()

    def refresh(self, *_: Any) -> None:
        """Shows it again in a moment."""
        self._refresh()

    def _show(self, *_: Any) -> None:
        words = App.get_running_app().words
        self.title = words("group_new.title")
        named = [self.session.name(it) for it in self.user_ids[:SHOWN]]
        self.hint = "、".join(filter(None, named)) or words("group_new.name")
        self.ids.grid.data = [
            *(
                {
                    "key": it,
                    "label": self.session.name(it) or "…",
                    "texture": self.faces.of_user(it),
                }
                for it in self.user_ids
            ),
            {"key": CHOOSE, "icon": "plus", "label": words("group_new.choose")},
        ]

    def choose(self, key: str) -> None:
        """Chooses more friends, or takes one out who is pressed."""
        if key == CHOOSE:
            self.session.spawn(self._choose())
        elif key not in self._fixed:
            self.user_ids = [it for it in self.user_ids if it != key]

    async def _choose(self) -> None:
        app = App.get_running_app()
        chosen = await app.pick(
            "pick_people",
            title=app.words("group_new.choose_title"),
            fixed=list(self.user_ids),
            limit=MOST,
        )
        self.user_ids = list(dict.fromkeys([*self.user_ids, *(chosen or [])]))
        if not self.user_ids:
            self.done()

    def create(self) -> None:
        """Makes the group and opens its chat."""
        if self.user_ids and not self.busy:
            self.session.spawn(self._create())

    async def _create(self) -> None:
        user_ids, name = tuple(self.user_ids), self.ids.name.text.strip()
        if self._attempt != (user_ids, name):
            self._attempt, self._id = (user_ids, name), uuid.uuid4().hex
        self.busy = True
        try:
            made = await self.session.client.create_group(name, user_ids, client_group_id=self._id)
        finally:
            self.busy = False
        App.get_running_app().open_chat(made.conversation_id)


kv.load(__file__)
