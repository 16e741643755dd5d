"""What the settings say."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "settings.dark": ("深色模式", "Dark mode"),
    "settings.language": ("语言", "Language"),
    "settings.size": ("字体大小", "Letter size"),
    "settings.account": ("账号", "Account"),
    "settings.devices": ("登录设备", "Devices"),
    "settings.this_device": ("本机", "this one"),
    "settings.logout": ("退出登录", "Log out"),
    "settings.about": ("关于", "About"),
}
