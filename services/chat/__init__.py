"""Chat: conversations, their members and messages; the only writer of the log."""
