"""What a moderator removed: the same by the entry, by a reading anew, and from the cache."""

from hongyan.chat.v1 import message_pb2

from hongyan_client.cache_log import applied
from hongyan_client.convert import from_message, to_message


def test_an_entry_and_a_reading_anew_come_to_the_same() -> None:
    text = message_pb2.Message(conversation_id="c", seq=1, sender_id="bo", text="spam")
    recall = message_pb2.Recall(seq=1, moderated=True)
    entry = to_message(message_pb2.Message(conversation_id="c", seq=2, recall=recall))
    removed = message_pb2.Removed(reason=message_pb2.REMOVED_REASON_MODERATED)
    anew = message_pb2.Message(conversation_id="c", seq=1, sender_id="bo", removed=removed)
    assert applied(to_message(text), entry) == to_message(anew)
    assert applied(to_message(text), entry).removed == "moderated"
    # The cache keeps an entry as the contract's message.
    assert to_message(from_message(entry)).change == entry.change
