"""What is said about people: contacts, requests, profiles and codes."""

# key: (zh-CN, en)
TEXTS: dict[str, tuple[str, str]] = {
    "contacts.add": ("添加朋友", "Add a friend"),
    "contacts.find": ("鸿雁号或邮箱", "Handle or e-mail"),
    "contacts.new": ("新的朋友", "New friends"),
    "contacts.none": ("还没有好友", "No friends yet"),
    "contacts.nobody": ("没有找到这个人", "Nobody was found"),
    "contacts.asked": ("已发送好友申请", "The request is sent"),
    "contacts.friends_now": ("已成为好友", "You are friends now"),
    "contacts.bot": ("机器人", "bot"),
    "contacts.starred": ("星标朋友", "Starred"),
}
