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
    "link.waiting": (
        "Scan this on the other device, or run there: hongyan login --code LINK. Show it to nobody"
        " else. It works for two minutes; Ctrl+C ends it.",
        "请在另一台设备上扫码，或在那里运行：hongyan login --code 链接。请勿给他人看。"
        "两分钟内有效，按 Ctrl+C 作废。",
    ),
    "link.claimed": (
        "A device wants to log in. It calls itself {name} ({platform}).",
        "有设备请求登录，名称：{name}（{platform}）。",
    ),
    "link.number": ("Your other device must show {number}.", "你的另一台设备上应显示 {number}。"),
    "link.ask": ("Is that so, and may it log in?", "数字一致并允许登录吗？"),
    "link.used": ("The other device is logged in.", "另一台设备已登录。"),
    "link.declined": ("Declined: nobody was let in.", "已拒绝，没有设备登录。"),
    "link.expired": (
        "The code has expired and nobody was let in. Run it again.",
        "登录码已过期，没有设备登录。请重新运行。",
    ),
    "link.as": (
        "Logging in as {name}. Answer on the other device.",
        "即将登录为 {name}，请在另一台设备上确认。",
    ),
    "link.compare": ("It must show {number} there too.", "那里也应显示 {number}。"),
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
    "me.picture": ("Picture: {id}", "头像：{id}"),
    "me.found": ("May be found by: {ways}", "可通过以下方式找到我：{ways}"),
    "me.by_handle": ("handle", "鸿雁号"),
    "me.by_email": ("e-mail", "邮箱"),
    "me.by_nothing": ("nothing", "无"),
    "me.who_may_add": ("May ask to be friends: {who}", "谁可以加我为好友：{who}"),
    "add.everybody": ("everybody", "所有人"),
    "add.known": (
        "who has a code, a card or a group in common",
        "通过名片码、名片或共同群聊的人",
    ),
    "add.code": ("who has a code", "持有我的名片码的人"),
    "add.nobody": ("nobody", "任何人都不可以"),
    "me.strangers": ("Messages of strangers: {what}", "陌生人消息：{what}"),
    "strangers.box": ("land in the box of requests", "放入消息请求"),
    "strangers.refuse": ("are refused", "拒收"),
    "me.receipts": ("Read receipts: {shown}", "已读回执：{shown}"),
    "receipts.on": ("shown", "开启"),
    "receipts.off": ("hidden", "关闭"),
    "gender.female": ("female", "女"),
    "gender.male": ("male", "男"),
    "gender.other": ("other", "其他"),
    "picture.one": (
        "Give either --picture or --no-picture.",
        "--picture 和 --no-picture 只能二选一。",
    ),
    "picture.not_read": ("{path} cannot be read: {why}", "无法读取 {path}：{why}"),
    "picture.not_written": ("{path} cannot be written: {why}", "无法写入 {path}：{why}"),
    "picture.suffix": (
        "The file's name ends with one of: {suffixes}",
        "文件扩展名须为：{suffixes}",
    ),
    "picture.saved": ("The picture is in {path}.", "图片已保存到 {path}。"),
    "picture.no_font": (
        "No font here has the first letter of {name}: a figure stands for it. Install Noto Sans"
        " CJK, or name a font file by HONGYAN_FONT.",
        "本机没有包含“{name}”首字的字体，以人形图标代替。"
        "请安装 Noto Sans CJK，或用 HONGYAN_FONT 指定字体文件。",
    ),
    "send.nothing": ("Give a TEXT, or --card USER.", "请输入消息文字，或用 --card 指定名片。"),
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
    "message.moderated": ("a moderator removed a message", "消息已被管理员移除"),
    "message.expired": ("a message has disappeared", "消息已消失"),
    "message.hidden": ("deleted for you", "已为你删除"),
    "message.removed": ("a message is gone", "消息已不在"),
    "message.timer": ("messages disappear after {seconds} s", "消息将在 {seconds} 秒后消失"),
    "message.timer_off": ("messages stay", "消息不再自动消失"),
    "message.pinned": ("pinned message {seq}", "置顶了第 {seq} 条消息"),
    "message.unpinned": ("took pinned message {seq} down", "取消置顶第 {seq} 条消息"),
    "message.unknown": ("something that a newer version shows", "需要新版本才能显示"),
    "list.and": (", ", "、"),
    "event.created": ("made the group {name} with {users}", "创建了群聊“{name}”，成员：{users}"),
    "event.joined": ("brought {users} into the group", "邀请{users}加入了群聊"),
    "event.joined_by_invite": ("joined by an invite of {inviter}", "通过{inviter}的邀请加入了群聊"),
    "event.left": ("left the group", "退出了群聊"),
    "event.removed": ("removed {users}", "将{users}移出了群聊"),
    "event.role_admin": ("made {users} an admin", "将{users}设为管理员"),
    "event.role_member": ("made {users} a member again", "取消了{users}的管理员身份"),
    "event.transferred": ("made {users} the owner", "将群主转让给{users}"),
    "event.renamed": ("named the group {name}", "将群名改为“{name}”"),
    "event.muted": ("lets only admins write now", "开启了全员禁言"),
    "event.not_muted": ("lets everybody write again", "关闭了全员禁言"),
    "event.approval": ("approves who joins from now on", "开启了入群审核"),
    "event.not_approval": ("lets people join without approval", "关闭了入群审核"),
    "event.changed": ("changed the group's settings", "修改了群设置"),
    "event.announced": ("announced: {text}", "发布了群公告：{text}"),
    "event.unannounced": ("took the announcement down", "撤下了群公告"),
    "event.silenced": ("silenced {users} until {until}", "将{users}禁言至 {until}"),
    "event.unsilenced": ("lets {users} write again", "解除了{users}的禁言"),
    "event.dissolved": ("dissolved the group", "解散了群聊"),
    "event.friends": ("and you are friends now", "和你已成为好友，现在可以开始聊天了"),
    "people.none": ("Nobody who is to be found that way.", "没有找到该用户。"),
    "people.no_contacts": (
        "No contacts yet. Ask somebody: hongyan add USER, or show your code: hongyan code",
        "还没有联系人。添加好友：hongyan add 用户；出示名片码：hongyan code",
    ),
    "people.no_requests": ("No requests.", "没有好友申请。"),
    "people.asked": ("Asked. They see it under: hongyan requests", "已发送好友申请。"),
    "people.friends": (
        "You are friends. Chat: hongyan chat {id}",
        "已成为好友。聊天：hongyan chat {id}",
    ),
    "people.done": ("Done.", "完成。"),
    "people.code": (
        "Whoever has this code can ask you until {until}. Revoke it: hongyan code --revoke {id}",
        "凭此码可在 {until} 之前申请加你为好友。作废：hongyan code --revoke {id}",
    ),
    "people.no_qr": ("There is no QR code in the picture.", "图片中没有二维码。"),
    "state.pending": ("waits", "等待验证"),
    "state.accepted": ("friends", "已添加"),
    "state.declined": ("declined", "已拒绝"),
    "state.expired": ("expired", "已过期"),
    "state.withdrawn": ("withdrawn", "已撤回"),
    "role.member": ("member", "成员"),
    "role.admin": ("admin", "管理员"),
    "role.owner": ("owner", "群主"),
    "bot.made": (
        "The bot is made: {id}. Next: hongyan bot token {name}",
        "机器人已创建：{id}。下一步：hongyan bot token {name}",
    ),
    "bot.token": (
        "Keep it secret; nobody can show it again. It ends with: hongyan bot revoke {bot} {id}",
        "请妥善保管，之后无法再次查看。作废：hongyan bot revoke {bot} {id}",
    ),
    "bot.none": (
        "You have no bots. Make one: hongyan bot create NAME",
        "还没有机器人。创建：hongyan bot create 名字",
    ),
    "bot.unknown": ("You have no bot called {name}.", "你没有叫 {name} 的机器人。"),
    "bot.mark": ("[bot]", "[机器人]"),
    "bot.public": ("public", "公开"),
    "bot.private": ("yours alone", "仅自己"),
    "group.made": ("The group is made: {id}", "群聊已创建：{id}"),
    "group.joined": ("You are a member of {id}.", "你已加入 {id}。"),
    "group.waiting": ("An admin will let you in or not.", "已申请加入，等待管理员审核。"),
    "group.nobody_waits": ("Nobody waits.", "没有人等待审核。"),
    "group.invite": (
        "Whoever has this code can join until {until}."
        " Revoke it: hongyan group revoke {group} {id}",
        "凭此码可在 {until} 之前入群。作废：hongyan group revoke {group} {id}",
    ),
    "export.running": ("Fetching", "正在导出"),
    "export.done": (
        "{count} messages and all else are in {path}.",
        "{count} 条消息及其他数据已写入 {path}。",
    ),
    "delete.warning": (
        "This deletes the account, its contacts and settings, and leaves every group. It cannot be"
        " undone. For a copy of your data run: hongyan export",
        "此操作将删除账号、联系人和设置，并退出所有群聊，且无法恢复。"
        "如需数据副本请先运行：hongyan export",
    ),
    "delete.done": ("The account is deleted.", "账号已删除。"),
    "export.exists": (
        "{path} is there already: name another file.",
        "{path} 已存在，请换一个文件名。",
    ),
    "group.usage": (
        "Name at least one setting; roles are member, admin or owner.",
        "请至少指定一项设置；角色为 member、admin 或 owner。",
    ),
    "column.seen": ("Who adds it", "谁可添加"),
    "column.scopes": ("May", "权限"),
    "column.expires": ("Ends", "到期"),
    "column.token": ("Token id", "令牌 ID"),
    "column.handle": ("Handle", "鸿雁号"),
    "column.region": ("Region", "地区"),
    "column.signature": ("Signature", "签名"),
    "column.code": ("Code", "编号"),
    "column.silenced": ("Silenced until", "禁言至"),
    "column.name": ("Name", "名字"),
    "column.remark": ("Remark", "备注"),
    "column.tags": ("Tags", "标签"),
    "column.user": ("User", "用户 ID"),
    "column.state": ("State", "状态"),
    "column.greeting": ("Says", "留言"),
    "column.role": ("Role", "角色"),
    "column.nickname": ("Nickname", "群昵称"),
    "column.until": ("Works until", "有效期至"),
    "column.uses": ("Uses left", "剩余次数"),
    "column.inviter": ("By", "邀请人"),
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
    "slash.card": ("send somebody's card", "发送名片"),
    "slash.add": ("ask whose card message N is to be friends", "添加第 N 条消息名片中的人为好友"),
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
    "reason.LOGIN_CODE_NOT_FOUND": (
        "The code is wrong, expired, or another device has used it. If that was not you, decline"
        " it on the device that shows it, and make a new one.",
        "登录码错误、已过期或已被其他设备使用。若不是你本人，请在显示它的设备上拒绝，再重新生成。",
    ),
    "reason.LOGIN_DECLINED": ("The other device has said no.", "另一台设备拒绝了登录。"),
    "reason.LOGIN_CODE_ANSWERED": ("The code was answered before.", "该登录码已处理过。"),
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
    "reason.NOT_FRIENDS": (
        "You are not friends, or not any more: ask them with hongyan add.",
        "你们还不是好友，或对方已将你删除，请先发送好友申请：hongyan add。",
    ),
    "reason.BLOCKED": ("The other refuses your messages.", "消息已被对方拒收。"),
    "reason.NOT_ADDABLE": (
        "The user takes no requests that come this way.",
        "对方不接受这种方式的申请。",
    ),
    "reason.ROLE_TOO_LOW": (
        "Your role in the group does not allow that.",
        "你在群里的角色无权这样做。",
    ),
    "reason.GROUP_MUTED": ("Only admins may write in this group now.", "群主已开启全员禁言。"),
    "reason.SILENCED": ("An admin has silenced you in this group.", "你已被禁言。"),
    "reason.GROUP_FULL": ("The group is full.", "群成员已满。"),
    "reason.INVITE_NOT_FOUND": ("The invite does not work, or no more.", "邀请无效或已失效。"),
    "reason.CODE_NOT_FOUND": ("The code does not work, or no more.", "名片码无效或已失效。"),
    "reason.OWNER_CANNOT_LEAVE": (
        "The owner transfers the group or dissolves it.",
        "群主须先转让或解散群聊。",
    ),
    "reason.CARD_NOT_FOUND": ("That message has no card.", "那条消息不是名片。"),
    "reason.IMAGE_INVALID": ("That is no picture that can be used.", "图片无法使用。"),
    "reason.PASSWORD_WRONG": ("The password is wrong.", "密码错误。"),
    "reason.HANDLE_TAKEN": ("Somebody else has this handle.", "该鸿雁号已被使用。"),
    "reason.HANDLE_TOO_SOON": ("The handle was changed not long ago.", "鸿雁号近期已修改过。"),
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


def is_known(key: str) -> bool:
    """Returns whether there is a text under a key."""
    return key in TABLE


def reason_text(reason: str) -> str:
    """Returns what a server's reason means to people, "" when it is not in the table."""
    key = f"reason.{reason}"
    return text(key) if key in TABLE else ""
