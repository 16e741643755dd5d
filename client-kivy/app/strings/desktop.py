"""What the desktop is told: notifications, the tray, windows."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {}
