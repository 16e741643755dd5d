"""Mails on their way: what a reader gets, and what holds up whom."""

import email
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import SMTP
from email.policy import default as modern

import pytest
from aiosmtpd.controller import Controller
from aiosmtplib.email import extract_recipients
from hongyan.verify.v1 import account_pb2
from structlog.testing import capture_logs

from services.common.contract import validate
from services.common.errors import Invalid, Unavailable
from services.verify import mail
from services.verify.mail import MAILS, Folder, Post, Smtp
from services.verify.rules import MICROS, Purpose, _code_mail, _known_address
from tests.unit.verify.conftest import PASSWORD
from tests.unit.verify.test_accounts import EMAIL
from tests.unit.verify.test_mail import sent

SENDER = "Hongyan 鸿雁 <hongyan@example.org>"
LOCAL_SIGNS = "abcXYZ09.!#$%&'*+/=?^_`{|}~-"


class Inbox:
    """An SMTP server's mind: what it answers to each mail in turn, then it takes all."""

    def __init__(self, *answers: str, rcpt: dict[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.rcpt = rcpt or {}
        self.asked: list[str] = []
        self.mails: list[bytes] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked.append(address)
        if answer := self.rcpt.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(envelope.content)
        return "250 taken"


@contextmanager
def smtp_server(inbox: Inbox) -> Iterator[Smtp]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield Smtp(f"smtp://127.0.0.1:{port}?starttls=false")
    finally:
        controller.stop()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(mail, "RETRY_SECONDS", 0.001)


def outcomes() -> dict[str, float]:
    return {name: MAILS.labels(name)._value.get() for name in ("sent", "failed")}


def contract_takes(address: str) -> bool:
    try:
        validate(account_pb2.SendCodeRequest(email=address, purpose=1))
    except Invalid:
        return False
    return True


def test_every_address_that_the_contract_takes_makes_a_mail_to_it_alone(tmp_path):
    post = Post(Folder(tmp_path), SENDER, now=lambda: 1.0)
    dice = random.Random(1)
    taken = 0
    for _ in range(400):
        length = dice.choice([1, 2, 3, 10, 64, 150, 240])
        address = "".join(dice.choice(LOCAL_SIGNS) for _ in range(length)) + "@x.org"
        if not contract_takes(address):
            continue
        taken += 1
        post.send(address, "鸿雁", "您好\n")
        made, _ = post._queue.get_nowait()
        parsed = email.message_from_bytes(made.as_bytes(policy=SMTP), policy=modern)
        assert str(parsed["to"]) == address
        assert extract_recipients(made) == [address]
    assert taken > 200


@pytest.mark.parametrize(
    "address",
    [
        *("a@b.c\r\nbcc: x@y.z", "a@b.c\nx: y", "a@b.c\rx: y", "a@b.c\x00", "a@b.c, x@y.z"),
        *("x <a@b.c>", "a b@c.d", "a@b.c\u2028bcc: x", "灵@b.c", '"a\r\nbcc: x"@b.c', "a@b.c\n"),
    ],
    ids=ascii,
)
def test_an_address_that_would_be_two_or_a_header_is_refused_by_the_contract(address):
    assert not contract_takes(address)


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_the_mail_of_a_code_is_read_in_chinese_and_in_english(tmp_path, purpose):
    post = Post(Folder(tmp_path), SENDER, now=lambda: 1_795_000_000.0)
    post.send(EMAIL, *_code_mail(purpose, "012345", 600 * MICROS))
    post.send(EMAIL, *_known_address())
    await sent(post)
    first, second = sorted(
        tmp_path.glob("*.eml"), key=lambda file: "012345" not in file.read_text()
    )
    parsed = email.message_from_bytes(first.read_bytes(), policy=modern)
    text = parsed.get_content()
    assert "您的鸿雁验证码：012345" in text
    assert "Your Hongyan code is 012345" in text
    assert "10 分钟" in text
    assert "10 minutes" in text
    assert parsed["from"].addresses[0].display_name == "Hongyan 鸿雁"
    assert parsed["auto-submitted"] == "auto-generated"
    assert parsed["date"].datetime.timestamp() == 1_795_000_000
    assert "您已有账号" in second.read_text()
    assert "验证码：" not in second.read_text()


async def test_a_mail_is_never_seen_unfinished(tmp_path, monkeypatch):
    seen = []
    rename = mail.Path.rename

    def look_then_rename(self, target):
        seen.append([file.name for file in tmp_path.glob("*.eml")])
        assert self.name.startswith(".")
        assert self.read_bytes().rstrip().endswith("末".encode())
        return rename(self, target)

    monkeypatch.setattr(mail.Path, "rename", look_then_rename)
    post = Post(Folder(tmp_path), SENDER, now=lambda: 1.0)
    post.send(EMAIL, "s", "甲\n" * 5_000 + "末\n")
    await sent(post)
    assert seen == [[]]
    assert len(list(tmp_path.iterdir())) == 1


async def test_the_names_of_mails_sort_by_time(tmp_path):
    times = iter([9.0] * 2 + [10.0] * 2 + [1_795_000_000.0] * 2)
    post = Post(Folder(tmp_path), SENDER, now=lambda: next(times))
    for text in ("one", "two", "three"):
        post.send(EMAIL, text, text)
    await sent(post)
    subjects = [
        email.message_from_bytes(file.read_bytes(), policy=modern)["subject"]
        for file in sorted(tmp_path.glob("*.eml"))
    ]
    assert subjects == ["one", "two", "three"]


async def test_a_mail_that_fails_three_times_is_given_up_and_the_next_one_goes():
    inbox = Inbox("451 later", "421 later", "452 later")
    before = outcomes()
    with smtp_server(inbox) as carrier, capture_logs() as logs:
        post = Post(carrier, SENDER, now=lambda: 1.0)
        post.send(EMAIL, "first", "secret 135790\n")
        post.send(EMAIL, "second", "x\n")
        await sent(post)
    (taken,) = inbox.mails
    assert b"second" in taken
    after = outcomes()
    assert (after["sent"] - before["sent"], after["failed"] - before["failed"]) == (1, 1)
    assert [line["event"] for line in logs] == ["mail.failed"] * 3
    assert EMAIL not in str(logs)
    assert "135790" not in str(logs)


@pytest.mark.parametrize("where", ["rcpt", "data"])
async def test_a_mail_that_is_refused_for_good_is_not_tried_again(where):
    """Else undeliverable addresses would hold up everybody's codes for six seconds each."""
    bad = "nobody@example.org"
    inbox = Inbox(rcpt={bad: "550 no such user"}) if where == "rcpt" else Inbox("554 spam")
    with smtp_server(inbox) as carrier, capture_logs() as logs:
        post = Post(carrier, SENDER, now=lambda: 1.0)
        post.send(bad, "s", "x\n")
        await sent(post)
    assert inbox.asked == [bad]
    assert len(logs) == 1
    assert bad not in str(logs)


async def test_an_address_that_is_refused_for_now_is_tried_again():
    inbox = Inbox(rcpt={EMAIL: "450 greylisted"})
    with smtp_server(inbox) as carrier:
        post = Post(carrier, SENDER, now=lambda: 1.0)
        post.send(EMAIL, "s", "x\n")
        await sent(post)
    assert inbox.asked == [EMAIL] * mail.ATTEMPTS


async def test_a_mail_server_that_is_away_stops_nothing():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    before = outcomes()
    post = Post(Smtp(f"smtp://127.0.0.1:{port}"), SENDER, now=lambda: 1.0)
    post.send(EMAIL, "s", "x\n")
    await sent(post)
    assert outcomes()["failed"] == before["failed"] + 1


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    before = outcomes()
    post = Post(Folder(tmp_path / "file"), SENDER, now=lambda: 1.0)
    post.send(EMAIL, "s", "x\n")
    await sent(post)
    assert outcomes()["failed"] == before["failed"] + 1


async def test_a_mail_to_nobody_takes_a_place_and_is_thrown_away(tmp_path):
    post = Post(Folder(tmp_path), SENDER, now=lambda: 1.0)
    post.send(EMAIL, "s", "x\n", discard=True)
    assert post._queue.qsize() == 1
    await sent(post)
    assert list(tmp_path.iterdir()) == []


async def test_a_full_queue_tells_nothing_about_an_address(tmp_path, monkeypatch):
    monkeypatch.setattr(mail, "QUEUE", 1)
    for discard in (False, True):
        post = Post(Folder(tmp_path), SENDER, now=lambda: 1.0)
        post.send(EMAIL, "s", "x\n", discard=discard)
        for again in (False, True):
            with pytest.raises(Unavailable) as full:
                post.send(EMAIL, "s", "x\n", discard=again)
            assert full.value.reason == "MAIL_BUSY"
            assert full.value.retry_seconds


async def test_a_mailed_name_is_no_header_since_no_mail_names_anybody(world):
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    code = world.desk.code(EMAIL)
    await world.verify.register(EMAIL, code, PASSWORD, "灵 bcc: x@y.z")
    await world.verify.send_code(EMAIL, Purpose.REGISTER, "ip")
    await world.verify.send_code(EMAIL, Purpose.RESET_PASSWORD, "ip")
    assert "bcc" not in str(world.desk.mails)
