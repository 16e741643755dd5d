"""Mails: whole files, no header that a reader wrote, and an SMTP server that is tried again."""

import asyncio
import email
from email.policy import default as modern

import pytest
from aiosmtpd.controller import Controller

from loadtest.servers import free_ports
from services.common.errors import Unavailable
from services.verify import mail
from services.verify.mail import Folder, Post, Smtp


async def sent(post: Post) -> None:
    """Lets the post's task send what is queued."""
    task = asyncio.create_task(post.run())
    async with asyncio.timeout(10):
        await post._queue.join()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_mail_lands_as_a_file_that_a_person_can_read(tmp_path):
    post = Post(Folder(tmp_path / "mail"), "Hongyan <hongyan@example.org>", now=lambda: 1.0)
    post.send("ling@example.org", "鸿雁验证码", "您的鸿雁验证码：123456\n")
    await sent(post)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.suffix == ".eml"
    parsed = email.message_from_bytes(file.read_bytes(), policy=modern)
    assert parsed["to"] == "ling@example.org"
    assert parsed["subject"] == "鸿雁验证码"
    assert "验证码：123456" in parsed.get_content()
    assert "验证码：123456".encode() in file.read_bytes()


@pytest.mark.parametrize("address", ["a@b.c\r\nbcc: x@y.z", "a@b.c\nsubject: x"])
async def test_an_address_brings_no_header(tmp_path, address):
    post = Post(Folder(tmp_path), "hongyan@example.org", now=lambda: 1.0)
    with pytest.raises(ValueError, match="linefeed"):
        post.send(address, "s", "t")


async def test_too_many_mails_are_refused(tmp_path):
    post = Post(Folder(tmp_path), "hongyan@example.org", now=lambda: 1.0)
    for _ in range(mail.QUEUE):
        post.send("ling@example.org", "s", "t")
    with pytest.raises(Unavailable):
        post.send("ling@example.org", "s", "t")


class Inbox:
    """An SMTP server's mind: refuses at first, then takes."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.mails: list[bytes] = []

    async def handle_DATA(self, server, session, envelope):
        if self.refusals:
            self.refusals -= 1
            return "451 later"
        self.mails.append(envelope.content)
        return "250 taken"


async def test_a_mail_server_that_refuses_is_tried_again(monkeypatch):
    inbox = Inbox(refusals=1)
    (port,) = free_ports(1)
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setattr(mail, "RETRY_SECONDS", 0.01)
    try:
        carrier = Smtp(f"smtp://127.0.0.1:{port}?starttls=false")
        post = Post(carrier, "hongyan@example.org", now=lambda: 1.0)
        post.send("ling@example.org", "s", "您好\n")
        await sent(post)
    finally:
        controller.stop()
    (taken,) = inbox.mails
    assert "您好".encode() in taken


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail.example.org"])
def test_a_mail_server_that_is_none_is_named(url):
    with pytest.raises(ValueError, match="HONGYAN_SMTP_URL"):
        Smtp(url)
