"""People and groups on the device: what events do to a group, names in order, codes as pictures."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hongyan.chat.v1 import contact_pb2, conversation_pb2, group_event_pb2, message_pb2
from PIL import Image

from hongyan_client import codes, sorting
from hongyan_client.cache import Cache
from hongyan_client.convert import from_message, to_conversation, to_message
from hongyan_client.model import Group, Message, MessageKind
from hongyan_client.terminal.lines import notice

G = "g1"
ADMIN, OWNER = group_event_pb2.GROUP_ROLE_ADMIN, group_event_pb2.GROUP_ROLE_OWNER


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    it = Cache(tmp_path / "cache.sqlite", "me")
    conversation = conversation_pb2.Conversation(
        conversation_id=G,
        kind=conversation_pb2.CONVERSATION_KIND_GROUP,
        group=conversation_pb2.Group(
            role=group_event_pb2.GROUP_ROLE_MEMBER, member_count=3, member_version=5
        ),
    )
    it.put_conversation(to_conversation(conversation), 0)
    yield it
    it.close()


def event(version: int, sender: str = "you", seq: int = 9, **what: object) -> Message:
    return to_message(
        message_pb2.Message(
            conversation_id=G,
            seq=seq,
            sender_id=sender,
            client_message_id=f"e{seq}",
            event=group_event_pb2.GroupEvent(member_count=4, member_version=version, **what),  # type: ignore[arg-type]
        )
    )


def group(cache: Cache) -> Group:
    found = cache.group(G)
    assert found is not None
    return found


def test_events_change_what_the_group_is_to_the_account(cache: Cache) -> None:
    cache.apply_event(event(6, role=group_event_pb2.RoleChanged(user_id="me", role=ADMIN)))
    assert (group(cache).role, group(cache).member_version) == ("admin", 6)
    settings = group_event_pb2.GroupSettings(name="火锅", muted=True)
    cache.apply_event(event(7, changed=group_event_pb2.GroupChanged(settings=settings)))
    assert (group(cache).settings.name, group(cache).settings.muted) == ("火锅", True)
    cache.apply_event(event(8, seq=12, announced=group_event_pb2.Announced(text="七点")))
    assert (group(cache).announcement, group(cache).announcement_seq) == ("七点", 12)
    cache.apply_event(event(9, transferred=group_event_pb2.GroupTransferred(user_id="me")))
    assert group(cache).role == "owner"
    other = group_event_pb2.GroupTransferred(user_id="you")
    cache.apply_event(event(10, sender="me", transferred=other))
    assert group(cache).role == "admin"
    cache.apply_event(event(11, left=group_event_pb2.MemberLeft(user_id="me")))
    assert (group(cache).role, group(cache).member_count) == ("", 0)
    cache.apply_event(event(12, joined=group_event_pb2.MembersJoined(user_ids=["me"])))
    assert (group(cache).role, group(cache).member_count) == ("member", 4)
    cache.apply_event(event(13, dissolved=group_event_pb2.GroupDissolved()))
    assert (group(cache).dissolved, group(cache).role) == (True, "")


def test_who_comes_and_goes_is_in_the_picture_and_out_of_it(cache: Cache) -> None:
    cache.apply_event(event(6, joined=group_event_pb2.MembersJoined(user_ids=["ann", "bob"])))
    assert group(cache).picture_user_ids == ("ann", "bob")
    cache.apply_event(event(7, left=group_event_pb2.MemberLeft(user_id="ann")))
    assert group(cache).picture_user_ids == ("bob",)
    many = [f"user-{number}" for number in range(20)]
    cache.apply_event(event(8, joined=group_event_pb2.MembersJoined(user_ids=many)))
    assert group(cache).picture_user_ids == ("bob", *many[:8])
    cache.apply_event(event(9, dissolved=group_event_pb2.GroupDissolved()))
    assert group(cache).picture_user_ids == ()


def test_an_event_that_is_older_than_what_is_here_does_nothing(cache: Cache) -> None:
    cache.apply_event(event(5, left=group_event_pb2.MemberLeft(user_id="me")))
    assert group(cache).role == "member"
    # What the server says of an older list is not taken over either.
    cache.apply_event(event(9, role=group_event_pb2.RoleChanged(user_id="me", role=OWNER)))
    old = conversation_pb2.Conversation(
        conversation_id=G,
        kind=conversation_pb2.CONVERSATION_KIND_GROUP,
        group=conversation_pb2.Group(role=ADMIN, member_version=8),
    )
    cache.put_conversation(to_conversation(old), 0)
    assert group(cache).role == "owner"


def test_what_came_while_a_group_was_asked_for_is_not_lost(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new.sqlite", "me")
    cache.restart(G, [])
    entries = [
        event(5, seq=1, joined=group_event_pb2.MembersJoined(user_ids=["me"])),
        event(6, seq=2, role=group_event_pb2.RoleChanged(user_id="me", role=ADMIN)),
        to_message(
            message_pb2.Message(
                conversation_id=G,
                seq=3,
                sender_id="you",
                client_message_id="t",
                timer=message_pb2.Timer(seconds=60),
            )
        ),
    ]
    cache.append(G, entries)
    for it in entries:
        cache.apply_event(it)  # nothing is known of the group yet
    answer = conversation_pb2.Conversation(
        conversation_id=G,
        kind=conversation_pb2.CONVERSATION_KIND_GROUP,
        last_seq=1,
        group=conversation_pb2.Group(
            role=group_event_pb2.GROUP_ROLE_MEMBER, member_count=3, member_version=5
        ),
    )
    cache.put_conversation(to_conversation(answer), 0)
    assert (group(cache).role, group(cache).member_version) == ("admin", 6)
    known = cache.conversation(G)
    assert known is not None
    assert known.disappear_seconds == 60
    cache.close()


def test_an_announcement_is_a_mention_and_not_unread(cache: Cache) -> None:
    cache.restart(G, [])
    announced = event(6, seq=1, announced=group_event_pb2.Announced(text="七点"))
    cache.append(G, [announced])
    known = cache.conversation(G)
    assert known is not None
    assert (known.unread_count, known.mention_count) == (0, 1)
    cache.move_read(G, "me", 1)
    known = cache.conversation(G)
    assert known is not None
    assert known.mention_count == 0


def test_an_event_is_kept_whole_and_a_nickname_is_not_shown(cache: Cache) -> None:
    joined = event(
        6,
        joined=group_event_pb2.MembersJoined(user_ids=["a", "b"], inviter_id="you", by_invite=True),
    )
    assert to_message(from_message(joined)) == joined
    nickname = event(7, nickname=group_event_pb2.NicknameChanged(nickname="波波"))
    assert nickname.kind is MessageKind.NOTE
    unknown = event(8)
    assert unknown.kind is MessageKind.NOTE


def test_lines_of_events_name_who_and_what(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"you": "灵", "bo": "波", "kai": "Kai"}.get

    def line(**what: object) -> str:
        return notice(event(6, **what), lambda user: names(user, user))  # type: ignore[arg-type]

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    joined = group_event_pb2.MembersJoined(user_ids=["bo", "kai"], inviter_id="you")
    assert line(joined=joined) == "邀请波、Kai加入了群聊"
    assert line(left=group_event_pb2.MemberLeft(user_id="kai")) == "将Kai移出了群聊"
    assert line(left=group_event_pb2.MemberLeft(user_id="you")) == "退出了群聊"
    role = group_event_pb2.RoleChanged(user_id="bo", role=ADMIN)
    assert line(role=role) == "将波设为管理员"
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert line(joined=joined) == "brought 波, Kai into the group"
    muted = group_event_pb2.GroupChanged(
        settings=group_event_pb2.GroupSettings(muted=True), fields=["muted"]
    )
    assert line(changed=muted) == "lets only admins write now"
    assert line(announced=group_event_pb2.Announced()) == "took the announcement down"


def test_contacts_are_kept_and_forgotten(cache: Cache) -> None:
    cache.put_contact(contact_pb2.Contact(user_id="bo", friend=True, remark="波波", tags=["饭友"]))
    assert (cache.contact("bo").remark, cache.contact("bo").tags) == ("波波", ("饭友",))
    assert [it.user_id for it in cache.contacts()] == ["bo"]
    cache.put_contact(contact_pb2.Contact(user_id="bo"))
    assert cache.contacts() == []
    assert not cache.contact("bo").friend


def test_whom_the_server_has_no_more_is_forgotten(cache: Cache) -> None:
    for user_id in ("bo", "gone", "blocked"):
        cache.put_contact(contact_pb2.Contact(user_id=user_id, friend=True))
        cache.put_contact_request(contact_pb2.ContactRequest(user_id=user_id))
    assert [it.user_id for it in cache.keep_people({"bo", "blocked"}, {"bo"})] == ["gone"]
    assert [it.user_id for it in cache.contacts()] == ["blocked", "bo"]
    assert [it.user_id for it in cache.contact_requests()] == ["bo"]
    assert not cache.contact("gone").friend


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("王伟", "W"),
        ("Ann", "A"),
        ("émile", "E"),
        ("😀", "#"),
        ("3号", "#"),
        ("  张三", "Z"),
        ("", "#"),
        ("单雄信", "S"),
        ("尉迟恭", "Y"),
        ("简单", "J"),
    ],
)
def test_names_stand_under_their_letter(name: str, letter: str) -> None:
    assert sorting.initial(name) == letter


def test_a_name_is_found_by_the_first_letters_of_what_it_is_said_as() -> None:
    assert sorting.initials("单于波波") == "cybb"
    assert sorting.pinyin("曾国藩") == "zengguofan"


def test_names_are_in_the_order_of_pinyin_and_those_without_a_letter_last() -> None:
    names = ["王伟", "Ann", "😀", "安娜", "Bob", "张三", "阿飞"]
    assert sorted(names, key=sorting.place) == ["阿飞", "Ann", "安娜", "Bob", "王伟", "张三", "😀"]


def test_a_code_is_read_from_its_picture(tmp_path: Path) -> None:
    link = "hongyan://add/SDSelmRPi0Qp6rFk3kC5RA"
    codes.save(link, tmp_path / "code.png")
    assert codes.read(tmp_path / "code.png") == link
    blocks = codes.in_terminal(link).split("\n")
    assert len({len(line) for line in blocks}) == 1
    assert set("".join(blocks)) <= set("█▀▄ ")


def test_a_picture_without_a_code_says_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    assert codes.read(tmp_path / "white.png") == ""


def test_where_nothing_can_read_codes_they_are_still_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert codes.can_read()
    monkeypatch.setattr(codes, "READER", "zxingcpp_is_not_here")
    assert not codes.can_read()
    codes.save("https://hongyan.example/add/x", path := tmp_path / "code.png")
    with pytest.raises(codes.NoReader):
        codes.read(path)


def test_times_of_a_group_are_times(cache: Cache) -> None:
    until = datetime(2026, 12, 1, tzinfo=UTC)
    silenced = group_event_pb2.MemberSilenced(user_id="me")
    silenced.until.FromDatetime(until)
    cache.apply_event(event(6, silenced=silenced))
    assert group(cache).silenced_until == until
