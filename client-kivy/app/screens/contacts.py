"""People: who asks to be a friend, groups, tags, and the friends from A to Z."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from kivy.app import App
from kivy.clock import Clock
from kivy.metrics import dp
from kivy.properties import ListProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import book, kv
from app.book import Friend
from app.faces import Faces
from app.session import Session
from app.widgets.listing import heading, row
from app.widgets.menu import Item

STAR = "☆"
FIND = "find"
# What stands above the friends: page, words, icon.
PLACES = (
    ("new_friends", "contacts.new", "account_plus"),
    ("groups_list", "contacts.groups", "account_group"),
    ("tags", "contacts.tags", "tag"),
)
# What the button + offers.
MORE = (
    ("add_friend", "contacts.add", "account_plus_outline"),
    ("scan", "contacts.scan", "qrcode_scan"),
    ("my_code", "contacts.my_code", "qrcode"),
    ("group_new", "contacts.new_group", "message_plus_outline"),
)


class Contacts(BoxLayout):
    """The address book, kept by the session's events; what is written filters the friends."""

    session = ObjectProperty(None)
    faces = ObjectProperty(None)
    query = StringProperty("")
    asking = NumericProperty(0)
    """How many people wait for an answer."""
    letters = ListProperty([])
    count = NumericProperty(0)

    def __init__(self, session: Session, faces: Faces, **options: Any) -> None:
        self._friends: list[Friend] = []
        super().__init__(session=session, faces=faces, **options)
        self._refresh = Clock.create_trigger(self._load, 0.05)
        # Scrolling moves many rows; who is watched is told when it rests.
        self._look = Clock.create_trigger(self._watch, 0.3)
        session.bind(on_people=self._refresh, signed_in=self._signed)
        self._words = App.get_running_app().words
        self._words.bind(language=self._refresh)
        self.bind(query=self._show)
        self.ids.list.bind(scroll_y=self._look, height=self._look)
        self._refresh()

    def _signed(self, *_: Any) -> None:
        self._friends, self.asking, self.ids.query.text = [], 0, ""
        self._show()
        self._refresh()

    def _load(self, *_: Any) -> None:
        if self.session.signed_in:
            self.session.spawn(self._read())

    async def _read(self) -> None:
        requests = await self.session.client.contact_requests()
        self._friends = await book.friends(self.session)
        self.asking = sum(it.incoming and it.state == "pending" for it in requests)
        self._show()

    # What is shown

    def _show(self, *_: Any) -> None:
        found = [it for it in self._friends if it.is_found_by(self.query)]
        words, asked = self._words, self.query.strip()
        if asked:
            data = [self._row(it) for it in found]
            title = words("add.search", query=asked)
            data.append(row(FIND, title, icon="account_search", leads=True))
            self.letters = []
        else:
            data = self._all(found)
        self.count = len(found)
        self.ids.list.data = data
        self._look()

    def _all(self, found: list[Friend]) -> list[dict[str, Any]]:
        words = self._words
        badge = str(self.asking) if self.asking else ""
        data = [
            row(f"page:{page}", words(key), icon=icon, badge=badge if page == PLACES[0][0] else "")
            for page, key, icon in PLACES
        ]
        letters: list[str] = []
        for it in found:
            letter = STAR if it.contact.starred else it.letter
            if letter not in letters:
                letters.append(letter)
                data.append(heading(words("contacts.starred") if letter == STAR else letter))
            data.append(self._row(it))
        if found:
            one = len(found) == 1
            data.append(
                heading(words("contacts.one" if one else "contacts.count", count=len(found)))
            )
        self.letters = letters
        return data

    def _row(self, friend: Friend) -> dict[str, Any]:
        note = ""
        if friend.user and friend.user.bot:
            note = self._words("contacts.bot")
        online = self.session.is_online(friend.user_id)
        return row(friend.user_id, friend.name, note=note, face=friend.user_id, online=online)

    def jump(self, letter: str) -> None:
        """Shows the friends under a letter."""
        headings = [index for index, it in enumerate(self.ids.list.data) if it["heading"]]
        if letter in self.letters:
            self.ids.list.jump(headings[self.letters.index(letter)])

    def _watch(self, *_: Any) -> None:
        """Has the presence told of those whose rows are in sight."""
        view = self.ids.list
        shown = sorted(view.view_adapter.views) if view.get_root_window() else []
        keys = [view.data[it]["key"] for it in shown if it < len(view.data)]
        friends = {it.user_id for it in self._friends}
        self.session.watch("contacts", [it for it in keys if it in friends])

    # What can be done

    def choose(self, key: str) -> None:
        """Opens what a row leads to."""
        app = App.get_running_app()
        if key == FIND:
            app.go("add_friend", query=self.query.strip())
        elif key.startswith("page:"):
            app.desk.leave_all()
            app.go(key.removeprefix("page:"))
        elif key:
            app.desk.leave_all()
            app.go("person", user_id=key)

    def show_more(self, button: Any) -> None:
        """Opens the menu of the button +."""
        app = App.get_running_app()
        left, bottom = button.to_window(button.x, button.y)
        app.menu.show(
            (left + button.width - dp(170), bottom - dp(4)),
            [Item(app.words(key), partial(app.go, page), icon) for page, key, icon in MORE],
        )

    def show_menu(self, key: str, where: Sequence[float]) -> None:
        """Opens what can be done with a friend."""
        friend = next((it for it in self._friends if it.user_id == key), None)
        if friend is None:
            return
        app = App.get_running_app()
        starred = friend.contact.starred
        star = "person.unstar" if starred else "person.star"
        app.menu.show(
            where,
            [
                Item(app.words("person.message"), partial(self._write, key), "message_outline"),
                Item(app.words("person.title"), partial(self.choose, key), "account_outline"),
                Item(app.words(star), partial(self._star, key, not starred), "star_outline"),
            ],
        )

    def _write(self, user_id: str) -> None:
        async def write() -> None:
            conversation = await self.session.client.open_direct(user_id)
            App.get_running_app().open_chat(conversation.conversation_id)

        self.session.spawn(write())

    def _star(self, user_id: str, starred: bool) -> None:
        async def star() -> None:
            await self.session.client.update_contact(user_id, starred=starred)
            self.session.dispatch("on_people")

        self.session.spawn(star())


kv.load(__file__)
