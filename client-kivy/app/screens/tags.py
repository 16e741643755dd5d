"""The tags that the account sorts friends by: all of them, one with its people, and a choice."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from kivy.app import App
from kivy.properties import DictProperty, StringProperty

from app import book, kv
from app.book import Friend
from app.session import Session
from app.widgets.listing import row
from app.widgets.menu import Item
from app.widgets.page import Page
from app.widgets.people_page import PeoplePage

LENGTH, MOST = 32, 20


class Tags(PeoplePage):
    """All tags, each with how many friends have it."""

    async def read(self) -> None:
        friends = await book.friends(self.session)
        found = book.tags(it.contact for it in friends)
        names = {it.user_id: it.name for it in friends}
        comma = "、" if App.get_running_app().words.language == "zh" else ", "
        self.ids.list.data = [
            row(
                tag,
                f"{tag} ({len(ids)})",
                note=comma.join(names[it] for it in ids[:8]),
                icon="tag",
                leads=True,
            )
            for tag, ids in found.items()
        ]
        self.ids.none.opacity = 0 if found else 1

    def open(self, tag: str) -> None:
        """Shows who has a tag."""
        App.get_running_app().go("tag", tag=tag)

    def show_menu(self, tag: str, where: Sequence[float]) -> None:
        """Opens what can be done with a tag."""
        words, session = App.get_running_app().words, self.session
        App.get_running_app().menu.show(
            where,
            [
                Item(words("tags.rename"), lambda: session.spawn(rename(session, tag)), "pencil"),
                Item(
                    words("tags.delete"),
                    lambda: session.spawn(delete(session, tag)),
                    "delete_outline",
                    danger=True,
                ),
            ],
        )

    def make(self) -> None:
        """Makes a tag: a name, then the friends who get it."""
        self.session.spawn(self._make())

    async def _make(self) -> None:
        app = App.get_running_app()
        name = await ask_name(app.words("tags.new"))
        if name:
            await add_people(self.session, name)


class Tag(PeoplePage):
    """The friends who have one tag."""

    tag = StringProperty("")

    def __init__(self, tag: str, **options: Any) -> None:
        super().__init__(title=tag, tag=tag, **options)

    async def read(self) -> None:
        friends = await book.friends(self.session)
        found = [it for it in friends if self.tag in it.contact.tags]
        self.title = f"{self.tag} ({len(found)})"
        self.ids.list.data = [row(it.user_id, it.name, face=it.user_id) for it in found]
        self.ids.none.opacity = 0 if found else 1

    def open(self, user_id: str) -> None:
        """Shows who it is."""
        App.get_running_app().go("person", user_id=user_id)

    def add(self) -> None:
        """Gives the tag to more friends."""
        self.session.spawn(add_people(self.session, self.tag))

    def show_menu(self, user_id: str, where: Sequence[float]) -> None:
        """Opens what can be done with one of the friends."""
        words = App.get_running_app().words
        take_out = partial(self._take_out, user_id)
        App.get_running_app().menu.show(
            where, [Item(words("tags.take_out"), take_out, "tag_off_outline", danger=True)]
        )

    def _take_out(self, user_id: str) -> None:
        async def take_out() -> None:
            tags = [it for it in self.session.client.contact(user_id).tags if it != self.tag]
            await self.session.client.update_contact(user_id, tags=tags)
            self.session.dispatch("on_people")

        self.session.spawn(take_out())

    def show_more(self, button: Any) -> None:
        """Opens what can be done with the tag."""
        words = App.get_running_app().words
        left, bottom = button.to_window(button.x, button.y)
        App.get_running_app().menu.show(
            (left - 120, bottom),
            [
                Item(words("tags.rename"), self.rename, "pencil"),
                Item(words("tags.delete"), self.delete, "delete_outline", danger=True),
            ],
        )

    def rename(self) -> None:
        """Calls the tag otherwise."""
        self.session.spawn(self._rename())

    async def _rename(self) -> None:
        self.tag = await rename(self.session, self.tag)
        self.read_again()

    def delete(self) -> None:
        """Takes the tag off everybody."""
        self.session.spawn(self._delete())

    async def _delete(self) -> None:
        if await delete(self.session, self.tag):
            self.done()


class PickTags(Page):
    """The tags of one friend; its result is the list of those that are ticked."""

    chosen = DictProperty({})

    def __init__(self, chosen: Sequence[str] = (), **options: Any) -> None:
        title = App.get_running_app().words("tags.choose")
        super().__init__(title=title, chosen=dict.fromkeys(chosen, True), **options)
        self._known: list[str] = []
        self.bind(chosen=self._show)

    def entered(self) -> None:
        self.session.spawn(self._load())

    async def _load(self) -> None:
        self._known = list(book.tags(await self.session.client.contacts()))
        self._show()

    def _show(self, *_: Any) -> None:
        tags = [*self._known, *(it for it in self.chosen if it not in self._known)]
        self.ids.list.data = [
            row(it, it, icon="tag", check="yes" if it in self.chosen else "no") for it in tags
        ]
        self.ids.none.opacity = 0 if tags else 1

    def toggle(self, tag: str) -> None:
        """Ticks a tag, or takes the tick away."""
        chosen = dict(self.chosen)
        if tag in chosen:
            del chosen[tag]
        elif len(chosen) >= MOST:
            App.get_running_app().tell("tags.full")
        else:
            chosen[tag] = True
        self.chosen = chosen

    def make(self) -> None:
        """Makes a tag and ticks it."""
        self.session.spawn(self._make())

    async def _make(self) -> None:
        name = await ask_name(App.get_running_app().words("tags.new"))
        if name and name not in self.chosen:
            self.toggle(name)

    def finish(self) -> None:
        """Goes back with what is ticked."""
        self.done(list(self.chosen))


async def ask_name(title: str, name: str = "") -> str:
    """Asks for a tag's name; "" when it was given up."""
    app = App.get_running_app()
    said = await app.dialogs.ask(title, name, hint=app.words("tags.name"), limit=LENGTH)
    return " ".join((said or "").split())


async def add_people(session: Session, tag: str) -> None:
    """Asks for friends and gives them a tag; those who have it are in already."""
    app = App.get_running_app()
    having = [it.user_id for it in await _having(session, tag)]
    chosen = await app.pick("pick_people", title=tag, fixed=having)
    full = False
    for user_id in chosen or ():
        tags = session.client.contact(user_id).tags
        if len(tags) >= MOST:
            full = True
        else:
            await session.client.update_contact(user_id, tags=[*tags, tag])
    if full:
        app.tell("tags.full")
    session.dispatch("on_people")


async def rename(session: Session, tag: str) -> str:
    """Asks for another name of a tag; returns what it is called now."""
    app = App.get_running_app()
    name = await ask_name(app.words("tags.rename"), tag)
    if not name or name == tag:
        return tag
    if name in book.tags(await session.client.contacts()):
        app.tell("tags.exists")
        return tag
    for it in await _having(session, tag):
        tags = [name if old == tag else old for old in it.contact.tags]
        await session.client.update_contact(it.user_id, tags=tags)
    session.dispatch("on_people")
    return name


async def delete(session: Session, tag: str) -> bool:
    """Takes a tag off everybody, when that is meant; returns whether it is gone."""
    app = App.get_running_app()
    if not await app.dialogs.confirm(
        app.words("tags.delete_ask", tag=tag),
        app.words("tags.delete_what"),
        yes=app.words("tags.delete"),
        danger=True,
    ):
        return False
    for it in await _having(session, tag):
        tags = [old for old in it.contact.tags if old != tag]
        await session.client.update_contact(it.user_id, tags=tags)
    session.dispatch("on_people")
    return True


async def _having(session: Session, tag: str) -> list[Friend]:
    return [it for it in await book.friends(session) if tag in it.contact.tags]


kv.load(__file__)
