"""What can be done with a chat in a list: pinned, muted, read, put away, deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.widgets.menu import Item
from hongyan_client.model import Conversation

FOR_EVER = timedelta(days=3_650)


class ChatMenu:
    """The items of one chat's menu, and what they do."""

    def __init__(self, app: Any, conversation: Conversation) -> None:
        self._app = app
        self._conversation = conversation
        self._id = conversation.conversation_id

    def items(self) -> list[Item]:
        """Returns what can be done now."""
        words, settings = self._app.words, self._conversation.settings
        muted = settings.muted_until is not None and settings.muted_until > datetime.now(UTC)
        unread = bool(self._conversation.unread_count or settings.marked_unread)
        found = []
        if not self._conversation.request:
            found += [
                self._set("unpin" if settings.pinned else "pin", pinned=not settings.pinned),
                self._set(
                    "unmute" if muted else "mute",
                    muted_until=None if muted else datetime.now(UTC) + FOR_EVER,
                ),
            ]
        if unread:
            found.append(Item(words("chats.read"), self.read, "email_open_outline"))
        else:
            found.append(self._set("unread", marked_unread=True))
        if not self._conversation.request:
            archived = settings.archived
            found.append(self._set("unarchive" if archived else "archive", archived=not archived))
        found.append(Item(words("chats.delete"), self.delete, "delete_outline", danger=True))
        return found

    def _set(self, name: str, **values: Any) -> Item:
        client, session = self._app.session.client, self._app.session
        return Item(
            self._app.words(f"chats.{name}"),
            lambda: session.spawn(client.update_settings(self._id, **values)),
            ICONS[name],
        )

    def read(self) -> None:
        """Takes all of it as read."""
        session = self._app.session
        session.client.mark_read(self._id, self._conversation.last_seq)
        if self._conversation.settings.marked_unread:
            session.spawn(session.client.update_settings(self._id, marked_unread=False))

    def delete(self) -> None:
        """Asks, and takes the chat with its history away from all own devices."""
        self._app.session.spawn(self._delete())

    async def _delete(self) -> None:
        words, desk = self._app.words, self._app.desk
        yes = await self._app.dialogs.confirm(
            words("chats.delete_title"),
            words("chats.delete_text"),
            yes=words("chats.delete_yes"),
            danger=True,
        )
        if not yes:
            return
        await self._app.session.client.clear(self._id, remove=True)
        if desk.chat.conversation_id == self._id:
            desk.chat.close()


ICONS = {
    "pin": "pin_outline",
    "unpin": "pin_off_outline",
    "mute": "bell_off_outline",
    "unmute": "bell_outline",
    "unread": "email_mark_as_unread",
    "archive": "archive_arrow_down_outline",
    "unarchive": "archive_arrow_up_outline",
}
