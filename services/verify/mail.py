"""Mail: an SMTP server when there is one, else .eml files in a folder."""

import asyncio
import os
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import structlog
from prometheus_client import Counter, Gauge

from services.common.errors import Unavailable

QUEUE = 1_000
SMTP_SECONDS = 20.0
ATTEMPTS = 3
RETRY_SECONDS = 2.0

MAILS = Counter("hongyan_verify_mails", "Mails by what became of them.", ["outcome"])
WAITING = Gauge("hongyan_verify_mail_queue_mails", "Mails that wait to be sent.")

log = structlog.get_logger()


class Carrier(Protocol):
    """What takes a mail to its reader."""

    async def carry(self, mail: EmailMessage) -> None: ...


class Folder:
    """Writes each mail as an .eml file; the names sort by time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def carry(self, mail: EmailMessage) -> None:
        """Writes a mail; its file appears whole or not at all."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = mail["message-id"].strip("<>").partition("@")[0]
        unfinished = self._folder / f".{name}"
        with unfinished.open("wb") as file:
            file.write(mail.as_bytes(policy=SMTP.clone(cte_type="8bit")))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._folder / f"{name}.eml")


class Smtp:
    """Hands mails to an SMTP server: smtp://user:password@host:587?starttls=true or smtps://."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("HONGYAN_SMTP_URL must be smtp://host:port or smtps://host:port")
        starttls = parse_qs(parts.query).get("starttls", ["auto"])[0].lower()
        self._host = parts.hostname
        self._port = parts.port or (465 if parts.scheme == "smtps" else 587)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"
        self._starttls = {"true": True, "false": False}.get(starttls)

    async def carry(self, mail: EmailMessage) -> None:
        """Hands a mail over."""
        await aiosmtplib.send(
            mail,
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._tls,
            start_tls=None if self._tls else self._starttls,
            timeout=SMTP_SECONDS,
        )


class Post:
    """A bounded queue of mails and the task that sends them, so that no caller waits for it."""

    def __init__(self, carrier: Carrier, sender: str, now: Callable[[], float]) -> None:
        self._carrier = carrier
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
        self._now = now
        self._queue: asyncio.Queue[tuple[EmailMessage, bool]] = asyncio.Queue(QUEUE)

    def send(self, to: str, subject: str, text: str, *, discard: bool = False) -> None:
        """Queues a mail; raises Unavailable when too many wait.

        With `discard` everything is the same for the caller, and the mail is thrown away later.
        """
        mail = EmailMessage(policy=SMTP)
        mail["from"] = self._sender
        mail["to"] = to
        mail["subject"] = subject
        mail["date"] = formatdate(self._now())
        stamp = f"{int(self._now() * 1000):014d}"
        unique = make_msgid(domain=self._domain)[1:].partition("@")[0].replace(".", "-")
        mail["message-id"] = f"<{stamp}-{unique}@{self._domain}>"
        mail["auto-submitted"] = "auto-generated"
        mail.set_content(text, cte="8bit")
        try:
            self._queue.put_nowait((mail, discard))
        except asyncio.QueueFull:
            raise Unavailable("MAIL_BUSY", "too many mails wait", retry_seconds=10) from None
        WAITING.set(self._queue.qsize())

    async def run(self) -> None:
        """Sends what is queued, for ever; a mail that cannot be sent is tried again twice."""
        while True:
            mail, discard = await self._queue.get()
            if not discard:
                await self._deliver(mail)
            WAITING.set(self._queue.qsize())
            self._queue.task_done()

    async def _deliver(self, mail: EmailMessage) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._carrier.carry(mail)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                log.warning("mail.failed", attempt=attempt, why=type(error).__name__)
                if attempt == ATTEMPTS or _refused_for_good(error):
                    MAILS.labels("failed").inc()
                    return
                await asyncio.sleep(RETRY_SECONDS**attempt)
            else:
                MAILS.labels("sent").inc()
                return


def _refused_for_good(error: Exception) -> bool:
    """Says whether an SMTP server will say no again: others' mails need not wait for that."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(_refused_for_good(one) for one in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500
