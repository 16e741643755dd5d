"""What the search says, and the choosing of chats."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "search.nothing": ("没有找到相关结果", "Nothing was found"),
    "pick.title": ("选择聊天", "Choose chats"),
    "pick.recent": ("最近聊天", "Recent chats"),
    "pick.friends": ("好友", "Friends"),
    "pick.members": ("{count} 人", "{count} members"),
    "pick.limit": ("最多选择 {count} 个聊天", "At most {count} chats"),
    "pick.hint": ("最多选择 {count} 个", "Up to {count}"),
    "pick.send": ("发送（{count}）", "Send ({count})"),
}
