"""What the desktop is told: notifications, the tray, windows."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "notice.one": ("你有一条新消息", "You have a new message"),
    "notice.several": ("你有 {count} 条新消息", "You have {count} new messages"),
    "notice.said": ("{name}：{text}", "{name}: {text}"),
    "notice.count": ("[{count} 条] ", "[{count}] "),
    "notice.mention": ("[有人@我] ", "[@you] "),
    "notice.open": ("打开", "Open"),
    "notice.test": ("通知正常工作 🎉", "Notifications work 🎉"),
    "tray.open": ("打开鸿雁", "Open Hongyan"),
    "tray.quit": ("退出", "Quit"),
}
