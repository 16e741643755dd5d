"""Every text that the app shows, in Chinese and English."""

import locale
import os

from kivy.event import EventDispatcher
from kivy.properties import OptionProperty

# key: (zh-CN, en). What the server refuses is looked up as "reason.<REASON>".
TABLE: dict[str, tuple[str, str]] = {
    "app.name": ("鸿雁", "Hongyan"),
    "app.slogan": ("见字如面", "Words that arrive"),
    "tab.chats": ("聊天", "Chats"),
    "tab.contacts": ("通讯录", "Contacts"),
    "tab.settings": ("设置", "Settings"),
    "welcome.login": ("登录", "Log in"),
    "welcome.register": ("注册新账号", "Make an account"),
    "login.title": ("欢迎回来", "Welcome back"),
    "register.title": ("注册新账号", "Make an account"),
    "reset.title": ("重设密码", "Set a new password"),
    "field.email": ("邮箱", "E-mail"),
    "field.password": ("密码", "Password"),
    "field.new_password": ("新密码（至少 8 个字符）", "New password (8 characters or more)"),
    "field.name": ("昵称", "Name that others see"),
    "field.code": ("6 位验证码", "6-digit code"),
    "button.login": ("登录", "Log in"),
    "button.register": ("注册", "Register"),
    "button.reset": ("重设密码", "Set the password"),
    "button.code": ("获取验证码", "Send a code"),
    "button.code_again": ("{seconds} 秒后重发", "Again in {seconds} s"),
    "button.back": ("返回", "Back"),
    "button.send": ("发送", "Send"),
    "button.add": ("添加", "Add"),
    "button.accept": ("接受", "Accept"),
    "link.forgot": ("忘记密码", "Forgot the password?"),
    "link.register": ("没有账号？注册", "No account? Make one"),
    "link.login": ("已有账号？登录", "Have an account? Log in"),
    "code.sent": ("验证码已发送，请查收邮件", "A code is in your mail"),
    "password.set": ("密码已重设，请登录", "The password is set: log in"),
    "search": ("搜索", "Search"),
    "chats.none": ("还没有聊天", "No chats yet"),
    "chats.none_hint": ("在通讯录里添加好友，开始聊天", "Add a friend under Contacts to begin"),
    "chats.draft": ("[草稿] ", "[Draft] "),
    "chat.none": ("选择一个聊天开始", "Choose a chat"),
    "chat.input": ("输入消息", "Write a message"),
    "chat.unread": ("以下是新消息", "New messages"),
    "chat.new": ("{count} 条新消息", "{count} new"),
    "chat.typing": ("对方正在输入…", "is writing…"),
    "chat.online": ("在线", "online"),
    "menu.copy": ("复制", "Copy"),
    "menu.quote": ("引用", "Reply"),
    "menu.recall": ("撤回", "Take back"),
    "menu.resend": ("重新发送", "Send again"),
    "menu.discard": ("删除", "Delete"),
    "chat.copied": ("已复制", "Copied"),
    "chat.failed": ("发送失败，点按重试", "Not sent. Tap to try again"),
    "chat.members": ("{name}（{count}）", "{name} ({count})"),
    "contacts.add": ("添加朋友", "Add a friend"),
    "contacts.find": ("鸿雁号或邮箱", "Handle or e-mail"),
    "contacts.new": ("新的朋友", "New friends"),
    "contacts.none": ("还没有好友", "No friends yet"),
    "contacts.nobody": ("没有找到这个人", "Nobody was found"),
    "contacts.asked": ("已发送好友申请", "The request is sent"),
    "contacts.friends_now": ("已成为好友", "You are friends now"),
    "contacts.bot": ("机器人", "bot"),
    "settings.dark": ("深色模式", "Dark mode"),
    "settings.language": ("语言", "Language"),
    "settings.size": ("字体大小", "Letter size"),
    "settings.account": ("账号", "Account"),
    "settings.devices": ("登录设备", "Devices"),
    "settings.this_device": ("本机", "this one"),
    "settings.logout": ("退出登录", "Log out"),
    "settings.about": ("关于", "About"),
    "state.connecting": ("连接中…", "Connecting…"),
    "state.offline": (
        "网络不可用，消息将在恢复后发送",
        "Offline. Messages are sent when it is back",
    ),
    "time.yesterday": ("昨天", "Yesterday"),
    "time.day": ("周{day}", "{day}"),
    "time.month": ("{month}月{day}日", "{month}/{day}"),
    "time.year": ("{year}年{month}月{day}日", "{year}/{month}/{day}"),
    "message.removed.recalled": ("{name}撤回了一条消息", "{name} took a message back"),
    "message.removed.moderated": ("该消息已被管理员移除", "A moderator removed this message"),
    "message.removed.expired": ("消息已过期", "The message has expired"),
    "message.removed.hidden": ("消息已删除", "The message is deleted"),
    "message.card": ("[名片]", "[Contact card]"),
    "user.deleted": ("已注销用户", "Deleted account"),
    "contacts.starred": ("星标朋友", "Starred"),
    "you": ("你", "You"),
    "event.created": ("{name}创建了群聊", "{name} made the group"),
    "event.friends": ("你们已成为好友，现在可以开始聊天了", "You are friends now and can talk"),
    "event.joined": ("{name}邀请{users}加入了群聊", "{name} brought {users} into the group"),
    "event.joined_invite": ("{users}通过邀请加入了群聊", "{users} joined by an invite"),
    "event.left": ("{users}离开了群聊", "{users} left the group"),
    "event.removed": ("{name}将{users}移出了群聊", "{name} removed {users}"),
    "event.renamed": ("{name}修改了群设置", "{name} changed the group"),
    "event.changed": ("{name}修改了群设置", "{name} changed the group"),
    "event.role": ("{name}更改了{users}的身份", "{name} changed the role of {users}"),
    "event.transferred": ("{users}成为了群主", "{users} is the owner now"),
    "event.announced": ("群公告：{text}", "Announcement: {text}"),
    "event.silenced": ("{name}更改了{users}的禁言", "{name} changed whether {users} may write"),
    "event.dissolved": ("{name}解散了群聊", "{name} dissolved the group"),
    "event.nickname": ("", ""),
    "error.away": ("网络不可用，请稍后再试", "No connection. Try again later"),
    "error.unknown": ("出错了：{reason}", "It did not work: {reason}"),
    "reason.CREDENTIALS_INVALID": ("邮箱或密码不正确", "Wrong address or password"),
    "reason.CODE_INVALID": ("验证码错误或已过期", "The code is wrong or old"),
    "reason.PASSWORD_TOO_COMMON": ("密码过于常见，请换一个", "The password is too common"),
    "reason.INVALID_FIELD": ("请检查填写的内容", "Look at what you wrote"),
    "reason.LIMIT_REACHED": ("操作太频繁，请稍后再试", "Too often. Try again later"),
    "reason.TOO_LATE": ("已超过两分钟，无法撤回", "It is too late for that"),
    "reason.NOT_FRIENDS": ("你们还不是好友", "You are not friends"),
    "reason.NOT_ADDABLE": ("对方不接受这种添加方式", "This user takes no requests that way"),
    "reason.GROUP_MUTED": ("全员禁言中", "Only admins may write now"),
    "reason.ACCOUNT_SUSPENDED": ("账号已被封停", "The account is suspended"),
}
LANGUAGES = {"zh": 0, "en": 1}
WEEKDAYS = (
    ("一", "Mon"),
    ("二", "Tue"),
    ("三", "Wed"),
    ("四", "Thu"),
    ("五", "Fri"),
    ("六", "Sat"),
    ("日", "Sun"),
)


class Words(EventDispatcher):
    """The texts in the language that is chosen; `language` can be bound."""

    language = OptionProperty("zh", options=list(LANGUAGES))

    def __call__(self, key: str, **values: object) -> str:
        """Returns a text with its values in it."""
        return TABLE[key][LANGUAGES[self.language]].format(**values)

    def refusal(self, reason: str) -> str:
        """Returns what to say of a refusal."""
        key = f"reason.{reason}"
        return self(key) if key in TABLE else self("error.unknown", reason=reason)

    def weekday(self, number: int) -> str:
        """Returns the day of the week, 0 for Monday."""
        return self("time.day", day=WEEKDAYS[number][LANGUAGES[self.language]])


def system_language() -> str:
    """Returns the language of the machine, Chinese unless it is another."""
    named = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "en" if named.lower().startswith("en") else "zh"
