"""What the search says."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {}
