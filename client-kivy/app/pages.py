"""Where each page is: names for `App.go`, imported when first opened, so that starting is quick."""

from importlib import import_module
from typing import Any

# name: (module, class). A page is one .py and one .kv.
PAGES: dict[str, tuple[str, str]] = {
    # Chats
    "box": ("box", "Box"),
    "pick_chat": ("pick_chat", "PickChat"),
    "search": ("search", "SearchPage"),
    # Groups
    "chat_info": ("chat_info", "ChatInfo"),
    "group": ("group", "GroupInfo"),
    "group_new": ("group_new", "GroupNew"),
    "group_members": ("group_members", "GroupMembers"),
    "group_choose": ("group_choose", "GroupChoose"),
    "announcement": ("announcement", "Announcement"),
    "group_code": ("group_code", "GroupCode"),
    "group_requests": ("group_requests", "GroupRequests"),
    "join": ("join", "Join"),
    # Settings
    "about": ("about", "AboutPage"),
    "account": ("account", "AccountPage"),
    "accounts": ("accounts", "AccountsPage"),
    "appearance": ("appearance", "AppearancePage"),
    "delete_account": ("delete_account", "DeleteAccountPage"),
    "device_code": ("device_code", "DeviceCodePage"),
    "devices": ("devices", "DevicesPage"),
    "language": ("language", "LanguagePage"),
    "licences": ("licences", "LicencesPage"),
    "notifications": ("notifications", "NotificationsPage"),
    "password": ("password", "PasswordPage"),
    "privacy": ("privacy", "PrivacyPage"),
    "shortcuts": ("shortcuts", "ShortcutsPage"),
    "storage": ("storage", "StoragePage"),
    # People
    "new_friends": ("new_friends", "NewFriends"),
    "groups_list": ("groups_list", "GroupsList"),
    "tags": ("tags", "Tags"),
    "tag": ("tags", "Tag"),
    "pick_tags": ("tags", "PickTags"),
    "add_friend": ("add_friend", "AddFriend"),
    "person": ("person", "Person"),
    "blocked": ("blocked", "Blocked"),
    "pick_people": ("pick_people", "PickPeople"),
    "me": ("me", "Me"),
    "crop": ("crop", "Crop"),
    "my_code": ("my_code", "MyCode"),
    "scan": ("scan", "Scan"),
    "files": ("files", "Files"),
    "readers": ("readers", "Readers"),
}


def make(name: str, **options: Any) -> Any:
    """Returns a new page."""
    module, made = PAGES[name]
    return getattr(import_module(f"app.screens.{module}"), made)(**options)
