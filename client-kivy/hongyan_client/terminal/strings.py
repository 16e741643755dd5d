"""Every text that the terminal client shows to people, in English and Chinese."""

import os

# key: (en, zh-CN). Machine words, such as a reason, are looked up as "reason.<REASON>".
TABLE: dict[str, tuple[str, str]] = {
    "ask.email": ("E-mail", "邮箱"),
    "ask.code": ("Code from the mail", "邮件中的验证码"),
    "ask.password": ("Password", "密码"),
    "ask.new_password": ("New password", "新密码"),
    "ask.repeat": ("The same again", "再输入一次"),
    "ask.name": ("Name that others see", "昵称"),
    "code.sent": (
        "A code is on its way to {email}. In a local run it lands in .hongyan/mail/*.eml.",
        "验证码已发往 {email}。本地运行时请看 .hongyan/mail/*.eml。",
    ),
    "code.next": (
        "Run the same command again with --code and the six digits.",
        "请加上 --code 和六位验证码再运行一次。",
    ),
    "registered": ("Account made for {email}.", "{email} 注册成功。"),
    "logged_in": (
        "Logged in as {name}. Your user id, for others to open a chat: {user_id}",
        "已登录：{name}。你的用户 ID（别人用它发起聊天）：{user_id}",
    ),
    "logged_out": ("Logged out.", "已退出登录。"),
    "logged_out_here": (
        "Logged out here; the server could not be told.",
        "已在本机退出；未能通知服务器。",
    ),
    "password.set": (
        "The password is set and every session has ended. Log in again.",
        "密码已重设，所有会话均已结束，请重新登录。",
    ),
    "password.differs": ("The two passwords differ.", "两次输入的密码不一致。"),
    "password.missing": (
        "No password: use a terminal, --password-stdin or HONGYAN_PASSWORD.",
        "缺少密码：请在终端中输入，或使用 --password-stdin、HONGYAN_PASSWORD。",
    ),
    "option.missing": (
        "{option} is needed when nobody can be asked.",
        "非交互运行时必须提供 {option}。",
    ),
    "session.ended": ("Session ended.", "会话已结束。"),
    "chats.draft": ("draft:", "草稿："),
    "chat.none": (
        "No conversation yet. Start one: hongyan chat USER_ID",
        "还没有会话。发起聊天：hongyan chat 用户ID",
    ),
    "chat.unknown": (
        "No conversation or user is called {target}. See: hongyan chats",
        "找不到会话或用户 {target}。请看：hongyan chats",
    ),
    "chat.opened": ("Conversation {conversation_id}", "会话 {conversation_id}"),
    "chat.title": (
        "Chat with {name}. Enter sends, /quit or Ctrl-D leaves.",
        "与 {name} 聊天。回车发送，/quit 或 Ctrl-D 离开。",
    ),
    "chat.read": ("read", "已读"),
    "chat.typing": ("{name} is writing…", "{name} 正在输入…"),
    "chat.seen": ("last seen {when}", "最后在线 {when}"),
    "chat.here": ("{name} is online", "{name} 在线"),
    "message.quoted": ("message {seq}", "第 {seq} 条"),
    "message.edited": ("edited", "已编辑"),
    "message.forwarded": ("forwarded:", "转发："),
    "message.recalled": ("took a message back", "撤回了一条消息"),
    "message.expired": ("a message has disappeared", "消息已消失"),
    "message.hidden": ("deleted for you", "已为你删除"),
    "message.removed": ("a message is gone", "消息已不在"),
    "message.timer": ("messages disappear after {seconds} s", "消息将在 {seconds} 秒后消失"),
    "message.timer_off": ("messages stay", "消息不再自动消失"),
    "message.pinned": ("pinned message {seq}", "置顶了第 {seq} 条消息"),
    "message.unpinned": ("took pinned message {seq} down", "取消置顶第 {seq} 条消息"),
    "message.unknown": ("something that a newer version shows", "需要新版本才能显示"),
    "readers.read": ("read", "已读"),
    "readers.received": ("delivered", "已送达"),
    "readers.waiting": ("not yet", "未送达"),
    "search.none": ("Nothing found.", "没有找到。"),
    "search.indexing": (
        "Older messages are being made ready: search again for more.",
        "较早的消息正在建立索引，再搜一次可找到更多。",
    ),
    "settings.muted": ("Muted.", "已设为免打扰。"),
    "settings.unmuted": ("No longer muted.", "已取消免打扰。"),
    "settings.cleared": ("The history is cleared, for you alone.", "聊天记录已清空（仅对你）。"),
    "slash.unknown": ("No command /{name}. See /help.", "没有命令 /{name}，请看 /help。"),
    "slash.usage": ("Write: /{name} {usage}", "用法：/{name} {usage}"),
    "slash.no_text": ("There is no text to forward.", "没有可转发的文字。"),
    "slash.hint": (
        "N is the number in front of a message. A text that begins with / is written //.",
        "N 是消息前面的序号。以 / 开头的文字请写成 //。",
    ),
    "slash.reply": ("answer a message", "回复一条消息"),
    "slash.react": ("react to a message", "对消息作出表情回应"),
    "slash.unreact": ("take a reaction back", "取消表情回应"),
    "slash.edit": ("give a message of yours another text", "编辑自己的消息"),
    "slash.recall": ("take a message of yours back", "撤回自己的消息"),
    "slash.forward": ("copy a message into another chat", "转发到另一个会话"),
    "slash.pin": ("pin a message for all", "置顶一条消息"),
    "slash.unpin": ("take a pinned message down", "取消置顶"),
    "slash.hide": ("delete messages for you alone", "仅为自己删除消息"),
    "slash.who": ("who has read it", "谁已读"),
    "slash.search": ("find messages by their words", "搜索消息"),
    "slash.mute": ("no notifications", "免打扰"),
    "slash.unmute": ("notifications again", "取消免打扰"),
    "slash.timer": ("messages disappear; 0: they stay", "消息定时消失，0 为关闭"),
    "slash.clear": ("clear the history for you alone", "清空聊天记录（仅对自己）"),
    "slash.help": ("this list", "显示本列表"),
    "chat.kept": (
        "{count} not stored yet; kept in the outbox, sent at the next start.",
        "{count} 条尚未送达，已存入发件箱，下次启动时发送。",
    ),
    "chat.offline_cache": (
        "Offline: this is what the cache holds.",
        "离线：以下为本机缓存。",
    ),
    "chat.history_reset": (
        "Much was said while you were away; older messages are in: hongyan history",
        "离开期间消息较多，更早的请看：hongyan history",
    ),
    "state.offline": ("offline, reconnecting by itself", "网络已断开，正在重连"),
    "state.connecting": ("connecting", "连接中"),
    "state.online": ("online", "在线"),
    "state.signed_out": ("signed out", "已退出登录"),
    "state.replaced": (
        "This profile is now connected in another terminal.",
        "此账号已在另一个终端连接。",
    ),
    "state.session_ended": ("The session was ended.", "会话已被结束。"),
    "sending": ("sending", "发送中"),
    "stored": ("Stored as number {seq}.", "已送达，序号 {seq}。"),
    "failed": ("not sent", "发送失败"),
    "you": ("you", "我"),
    "yesterday": ("yesterday", "昨天"),
    "weekdays": ("Mon Tue Wed Thu Fri Sat Sun", "周一 周二 周三 周四 周五 周六 周日"),
    "column.conversation": ("Conversation", "会话"),
    "column.with": ("With", "对方"),
    "column.unread": ("Unread", "未读"),
    "column.last": ("Last message", "最后消息"),
    "column.time": ("Time", "时间"),
    "column.session": ("Session", "会话 ID"),
    "column.device": ("Device", "设备"),
    "column.platform": ("Platform", "平台"),
    "column.used": ("Last used", "最近使用"),
    "column.current": ("This one", "本机"),
    "rpc.fallback": (
        "The server offers no reflection here; using this program's own descriptions.",
        "服务器未提供反射，使用程序自带的描述。",
    ),
    "rpc.unknown": ("No service or method {name}. See: hongyan rpc list", "没有 {name}。"),
    "rpc.streaming": (
        "{name} is a stream of requests; use watch and chat for it.",
        "{name} 是流式请求，请使用 watch 和 chat。",
    ),
    "rpc.bad_json": ("The request does not fit {name}: {why}", "请求不符合 {name}：{why}"),
    "error.not_logged_in": (
        "Not logged in. Run: hongyan login (or hongyan register)",
        "尚未登录。请运行：hongyan login（或 hongyan register）",
    ),
    "error.no_connection": (
        "No connection to {address}. Is it running (make run)? Else set --address.",
        "无法连接 {address}。服务是否已启动（make run）？也可用 --address 指定。",
    ),
    "error.unavailable": (
        "The server cannot do that right now ({reason}). Try again in a moment.",
        "服务器暂时无法处理（{reason}），请稍后再试。",
    ),
    "error.deadline": ("No answer in time. Try again.", "等待超时，请重试。"),
    "error.refused": ("Refused: {reason}. {message}", "被拒绝：{reason}。{message}"),
    "error.field": ("  {field}: {text}", "  {field}：{text}"),
    "error.retry": ("Try again in {seconds} s.", "请在 {seconds} 秒后重试。"),
    "error.address": ("The address is wrong: {why}", "地址不正确：{why}"),
    "error.outbox_full": ("Too much is waiting to be sent.", "待发消息过多。"),
    "reason.CODE_INVALID": (
        "The code is wrong, used or too old, or the address has an account already."
        " In a local run the mails are in .hongyan/mail/.",
        "验证码错误、已用过或已过期，或该邮箱已注册。本地运行时邮件在 .hongyan/mail/。",
    ),
    "reason.CREDENTIALS_INVALID": (
        "The address or the password is wrong. Forgotten? Run: hongyan reset-password",
        "邮箱或密码错误。忘记密码请运行：hongyan reset-password",
    ),
    "reason.USER_NOT_FOUND": ("There is no such user.", "没有这个用户。"),
    "reason.CONVERSATION_NOT_FOUND": (
        "There is no such conversation, or you are not in it. See: hongyan chats",
        "没有这个会话，或你不在其中。请看：hongyan chats",
    ),
    "reason.TOO_LATE": ("It is too late for that.", "已超过时限。"),
    "reason.NOT_THE_SENDER": ("Only its sender may do that.", "只有发送者可以这样做。"),
    "reason.MESSAGE_NOT_FOUND": ("There is no such message.", "没有这条消息。"),
    "reason.MESSAGE_REMOVED": ("That message is gone.", "那条消息已不在。"),
    "reason.NOT_A_MEMBER": (
        "There is no such conversation, or you are not in it. See: hongyan chats",
        "没有这个会话，或你不在其中。请看：hongyan chats",
    ),
    "reason.REPLACED": (
        "This profile was connected in another terminal.",
        "此账号已在另一个终端连接。",
    ),
}


def language() -> str:
    """Returns "zh" or "en", after the environment as gettext reads it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def text(key: str, **values: object) -> str:
    """Returns a text in the user's language, with its values in place."""
    english, chinese = TABLE[key]
    return (chinese if language() == "zh" else english).format(**values)


def reason_text(reason: str) -> str:
    """Returns what a server's reason means to people, "" when it is not in the table."""
    key = f"reason.{reason}"
    return text(key) if key in TABLE else ""
