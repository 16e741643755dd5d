"""What the search says, and the choosing of chats."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "search.title": ("搜索", "Search"),
    "search.title_chat": ("查找聊天记录", "Search in the chat"),
    "search.hint": ("联系人、群聊、聊天记录", "People, groups, messages"),
    "search.hint_chat": ("在“{name}”中查找", "Search in {name}"),
    "search.all": ("全部", "All"),
    "search.people": ("联系人", "People"),
    "search.groups": ("群聊", "Groups"),
    "search.messages": ("聊天记录", "Messages"),
    "search.all_of": ("查看全部 {count} 个", "Show all {count}"),
    "search.more": ("更早的聊天记录", "Earlier messages"),
    "search.busy": ("正在搜索…", "Searching…"),
    "search.away": ("网络不可用，只显示本机上的记录", "Offline: only what this device has"),
    "search.indexing": (
        "较早的消息还在整理，稍后再搜会更全",
        "Older messages are being made ready: search again later",
    ),
    "search.nothing": ("没有找到相关结果", "Nothing was found"),
    "search.begin": ("输入要找的内容", "Write what to look for"),
    "search.recent": ("最近搜索", "Recent searches"),
    "search.forget": ("清除", "Clear"),
    "search.place": ("{number}/{count}", "{number} of {count}"),
    "pick.title": ("选择聊天", "Choose chats"),
    "pick.recent": ("最近聊天", "Recent chats"),
    "pick.friends": ("好友", "Friends"),
    "pick.members": ("{count} 人", "{count} members"),
    "pick.limit": ("最多选择 {count} 个聊天", "At most {count} chats"),
    "pick.hint": ("最多选择 {count} 个", "Up to {count}"),
    "pick.send": ("发送（{count}）", "Send ({count})"),
}
