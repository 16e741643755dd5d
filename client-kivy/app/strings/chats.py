"""What the list of chats says."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "chats.none": ("还没有聊天", "No chats yet"),
    "chats.none_hint": ("在通讯录里添加好友，开始聊天", "Add a friend under Contacts to begin"),
    "chats.draft": ("[草稿] ", "[Draft] "),
}
