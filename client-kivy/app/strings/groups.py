"""What is said about groups: members, roles, announcements, invites."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {}
