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
