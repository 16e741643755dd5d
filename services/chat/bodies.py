"""What the body of a message holds in the log: plain text, or the contract's content.

A body of another kind than TEXT is a serialized hongyan.chat.v1.Message in which nothing but
the content is set, so that it is merged into the message that goes out without being unpacked.
"""

from collections.abc import Sequence

from hongyan.chat.v1 import group_event_pb2, message_pb2

from services.chat.model import RICH, TEXT


def _removed(reason: message_pb2.RemovedReason.ValueType) -> bytes:
    return message_pb2.Message(removed=message_pb2.Removed(reason=reason)).SerializeToString()


RECALLED = _removed(message_pb2.REMOVED_REASON_RECALLED)
EXPIRED = _removed(message_pb2.REMOVED_REASON_EXPIRED)
HIDDEN = _removed(message_pb2.REMOVED_REASON_HIDDEN)
MODERATED = _removed(message_pb2.REMOVED_REASON_MODERATED)


def text_of(kind: int, body: bytes) -> str:
    """Returns the text of a message of the kinds TEXT and RICH."""
    return body.decode() if kind == TEXT else message_pb2.Message.FromString(body).text


def author_of(kind: int, body: bytes, sender_id: str) -> str:
    """Returns who wrote a text first."""
    if kind == RICH:
        return message_pb2.Message.FromString(body).forwarded.sender_id or sender_id
    return sender_id


def card_of(kind: int, body: bytes) -> str:
    """Returns the user whose card comes with a text; empty: none does."""
    return message_pb2.Message.FromString(body).card.user_id if kind == RICH else ""


def rich(
    text: str,
    *,
    quote: tuple[int, str] | None = None,
    mentioned: Sequence[str] = (),
    everybody: bool = False,
    forwarded_from: str = "",
    card_user_id: str = "",
) -> bytes:
    """Returns the body of a text with more than text; `quote` is (seq, sender_id)."""
    content = message_pb2.Message(text=text)
    if quote:
        content.quote.seq, content.quote.sender_id = quote
    if mentioned or everybody:
        content.mentions.user_ids.extend(mentioned)
        content.mentions.everybody = everybody
    if forwarded_from:
        content.forwarded.sender_id = forwarded_from
    if card_user_id:
        content.card.user_id = card_user_id
    return content.SerializeToString()


def with_text(
    kind: int, body: bytes, text: str, mentioned: Sequence[str], everybody: bool
) -> tuple[int, bytes]:
    """Returns kind and body of a message after an edit: its quote and origin stay."""
    if kind == TEXT and not mentioned and not everybody:
        return TEXT, text.encode()
    content = message_pb2.Message() if kind == TEXT else message_pb2.Message.FromString(body)
    content.text = text
    content.ClearField("mentions")
    if mentioned or everybody:
        content.mentions.user_ids.extend(mentioned)
        content.mentions.everybody = everybody
    return RICH, content.SerializeToString()


def recall(seq: int, *, moderated: bool = False) -> bytes:
    """Returns the body of a recall, by the sender or by a moderator of the installation."""
    it = message_pb2.Recall(seq=seq, moderated=moderated)
    return message_pb2.Message(recall=it).SerializeToString()


def edit(seq: int, text: str, mentioned: Sequence[str] = (), everybody: bool = False) -> bytes:
    """Returns the body of an edit; without text it is one that was overtaken."""
    content = message_pb2.Message()
    content.edit.seq = seq
    content.edit.text = text
    if mentioned or everybody:
        content.edit.mentions.user_ids.extend(mentioned)
        content.edit.mentions.everybody = everybody
    return content.SerializeToString()


def edited_seq(body: bytes) -> int:
    """Returns which message an edit changes."""
    return message_pb2.Message.FromString(body).edit.seq


def reaction(seq: int, emoji: str, removed: bool) -> bytes:
    """Returns the body of a reaction."""
    it = message_pb2.Reaction(seq=seq, emoji=emoji, removed=removed)
    return message_pb2.Message(reaction=it).SerializeToString()


def pin(seq: int, removed: bool) -> bytes:
    """Returns the body of a pin."""
    return message_pb2.Message(pin=message_pb2.Pin(seq=seq, removed=removed)).SerializeToString()


def event(what: group_event_pb2.GroupEvent) -> bytes:
    """Returns the body of what happened to a group."""
    return message_pb2.Message(event=what).SerializeToString()


def timer(seconds: int) -> bytes:
    """Returns the body of a timer."""
    return message_pb2.Message(timer=message_pb2.Timer(seconds=seconds)).SerializeToString()
