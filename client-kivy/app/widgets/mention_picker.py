"""Who is meant by an @: the members of a group whose names begin so, above the field."""

import re
from dataclasses import dataclass
from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.behaviors import ButtonBehavior
from kivy.uix.boxlayout import BoxLayout

from app import kv
from hongyan_client import sorting
from hongyan_client.permissions import Act, may

AT_MOST = 5
ASKED = re.compile(r"(?:^|[^\w@])@([^\s@]{0,20})$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who can be meant; without an id it is everybody."""

    user_id: str
    name: str


class MentionRow(ButtonBehavior, BoxLayout):
    """One of them."""

    name = StringProperty("")
    user_id = StringProperty("")
    texture = ObjectProperty(None, allownone=True)
    chosen = BooleanProperty(False)


class MentionPicker(BoxLayout):
    """Follows what is written; empty while nobody is asked for."""

    chat = ObjectProperty(None)
    at = NumericProperty(0)
    """Which one Enter takes."""

    def __init__(self, **options: Any) -> None:
        self._query: str | None = None
        super().__init__(**options)

    @property
    def is_open(self) -> bool:
        """Whether there is somebody to choose from."""
        return bool(self.children)

    def follow(self, *_: Any) -> None:
        """The text or the cursor is another one."""
        field = self.chat.composer.ids.input
        known = self.chat.reading.known
        match = None
        if known and known.group and not field.composition:
            match = ASKED.search(field.text[: field.cursor_index()])
        self._query = match.group(1) if match else None
        self._show()

    def close(self) -> None:
        """Asks for nobody."""
        self._query = None
        self.clear_widgets()

    def _candidates(self) -> list[Candidate]:
        if self._query is None:
            return []
        chat, query = self.chat, self._query.casefold()
        group, words = chat.reading.known.group, App.get_running_app().words
        found = []
        if may(Act.MENTION_ALL, group):
            found.append(Candidate("", words("mention.all")))
        me = chat.session.user_id
        others = (it for it in chat.members.all() if it.user_id != me)
        found += [Candidate(it.user_id, chat.names(it.user_id)) for it in others]

        def fits(it: Candidate) -> bool:
            own = chat.session.name(it.user_id) if it.user_id else "all everyone"
            named = f"{it.name} {own}".casefold()
            return query in named or sorting.pinyin(it.name).startswith(query)

        return [it for it in found if it.name and (not query or fits(it))][:AT_MOST]

    def _show(self) -> None:
        self.clear_widgets()
        faces = App.get_running_app().faces
        candidates = self._candidates()
        # Nobody means everybody by a slip of the Enter key.
        self.at = int(not self._query and len(candidates) > 1 and not candidates[0].user_id)
        for number, it in enumerate(candidates):
            row = MentionRow(name=it.name, user_id=it.user_id, chosen=number == self.at)
            row.texture = faces.of_user(it.user_id) if it.user_id else None
            row.bind(on_release=self._take)
            self.add_widget(row)

    def step(self, by: int) -> None:
        """Goes to the next one, or the one before."""
        rows = self.children[::-1]
        self.at = (self.at + by) % len(rows)
        for number, row in enumerate(rows):
            row.chosen = number == self.at

    def take(self) -> None:
        """Takes the one that is marked."""
        self._take(self.children[::-1][int(self.at)])

    def _take(self, row: MentionRow) -> None:
        field = self.chat.composer.ids.input
        end = field.cursor_index()
        begin = end - len(self._query or "")
        text = field.text[:begin] + row.name + " " + field.text[end:]
        self.chat.composer.mentions[row.name] = row.user_id
        field.text = text
        field.cursor = field.get_cursor_from_index(begin + len(row.name) + 1)
        field.focus = True
        self.close()


kv.load(__file__)
