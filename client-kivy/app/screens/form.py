"""What the forms before the log-in share: fields, what is wrong with them, codes by mail."""

import math
import re
import time
from typing import Any, ClassVar

from kivy.app import App
from kivy.clock import Clock
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

from app import kv, passwords, phone
from app.widgets.form_field import FormField
from hongyan_client.errors import DeadlineExceeded, ServerError, Unavailable

CODE_SECONDS = 60
LONGEST_WAIT_SECONDS = 3_600
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")
CODE = re.compile(r"[0-9]{6}")
# What the server refuses, and under which field it is said.
BELONGS = {
    "CREDENTIALS_INVALID": "password",
    "CODE_INVALID": "code",
    "PASSWORD_TOO_COMMON": "password",
    "ACCOUNT_SUSPENDED": "email",
}
# The contract's names of fields, and ours.
FIELDS = {
    "email": "email",
    "code": "code",
    "password": "password",
    "new_password": "password",
    "display_name": "name",
}


class Form(BoxLayout):
    """A form; what is written in it stays while another one is shown."""

    session = ObjectProperty(None)
    entry = ObjectProperty(None)
    """The screen that shows the forms."""
    busy = BooleanProperty(False)
    code_wait = NumericProperty(0)
    """In how many seconds a code can be asked for again."""
    sent_to = StringProperty("")
    """To which address a code was mailed just now."""
    purpose: ClassVar[str] = ""
    """What a mailed code is for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._again_at = 0.0
        self._ticking = Clock.schedule_interval(self._tick, 0.25)
        self._ticking.cancel()

    # What stands in the fields

    def field(self, name: str) -> FormField | None:
        """Returns the field of a name, if this form has it."""
        return self.ids.get(name)

    def value(self, name: str) -> str:
        """Returns what stands in a field, without spaces around it but in a password."""
        text = str(self.ids[name].text)
        return text if name == "password" else text.strip()

    def forget(self) -> None:
        """Empties it but for the address: who has logged out may log in again."""
        for name in ("name", "code", "password"):
            if it := self.field(name):
                it.text, it.seen = "", False
        self.sent_to = ""
        self.calm()

    def begin(self) -> None:
        """Puts the cursor into the first empty field; a phone's keyboard would cover the form."""
        fields = (self.ids[it].ids.field for it in self.checked())
        if (empty := next((it for it in fields if not it.text), None)) and not phone.is_phone():
            empty.focus = True

    def calm(self) -> None:
        """Takes all that was wrong back."""
        for name in FIELDS.values():
            if it := self.field(name):
                it.error = ""

    def complain(self, name: str, key: str, **values: Any) -> None:
        """Says under a field what is wrong, and puts the cursor there if it is the first."""
        field = self.field(name)
        if field is None:
            App.get_running_app().tell(key, **values)
            return
        others = (self.field(it) for it in FIELDS.values())
        first = not any(it and it.error for it in others)
        field.error = App.get_running_app().words(key, **values)
        if first:
            field.take()

    def check(self, *names: str) -> bool:
        """Looks at fields before the server does; says what is wrong."""
        self.calm()
        wrong = [(name, key) for name in names if (key := self._wrong(name))]
        for name, key in wrong:
            self.complain(name, key, least=passwords.LEAST, most=passwords.MOST)
        return not wrong

    def _wrong(self, name: str) -> str:
        text = self.value(name)
        if not text:
            return f"wrong.no_{name}"
        if name == "email" and not EMAIL.fullmatch(text):
            return "wrong.email"
        if name == "code" and not CODE.fullmatch(text):
            return "wrong.code"
        if name == "password" and self.purpose:
            if len(text) < passwords.LEAST:
                return "wrong.password_short"
            return "wrong.password_long" if len(text) > passwords.MOST else ""
        return ""

    def verdict(self, password: str, _: str) -> str:
        """Returns what stands under a new password; rules name the language for their sake."""
        words, missing = App.get_running_app().words, passwords.LEAST - len(password)
        if not password:
            return str(words("password.hint", least=passwords.LEAST))
        if missing > 0:
            return str(words("password.missing", count=missing))
        strength = passwords.strength(password)
        return words(f"password.strength_{strength}") if strength else ""

    @staticmethod
    def strength(password: str) -> int:
        """Returns how many of three bars a new password has."""
        return passwords.strength(password)

    # What is done

    def submit(self) -> None:
        """Does what the form is for, unless it is being done."""
        if not self.busy and self.check(*self.checked()):
            self.busy = True
            self.session.spawn(self._work())

    def checked(self) -> tuple[str, ...]:
        """Returns which fields must be right, from the first to the last."""
        raise NotImplementedError

    async def act(self) -> None:
        """Does what the form is for; raises what the server refuses."""
        raise NotImplementedError

    async def _work(self) -> None:
        try:
            await self.act()
            self.entry.away = False
        except ServerError as error:
            self.refused(error)
        finally:
            self.busy = False

    def refused(self, error: ServerError) -> None:
        """Says what the server refused where it belongs."""
        app = App.get_running_app()
        if isinstance(error, Unavailable | DeadlineExceeded):
            self.entry.away = True
            return
        self.entry.away = False
        if error.reason == "INVALID_FIELD":
            named = [FIELDS[it] for it in error.fields if it in FIELDS]
            for name in named:
                self.complain(name, f"wrong.{name}", least=passwords.LEAST, most=passwords.MOST)
            if named:
                return
        if error.reason in BELONGS:
            self.complain(BELONGS[error.reason], f"reason.{error.reason}")
        else:
            app.refused(error.reason)

    # Codes by mail

    def send_code(self) -> None:
        """Has a code mailed to the address, unless one has just been."""
        if not self.code_wait and self.check("email"):
            self._wait(CODE_SECONDS)
            self.session.spawn(self._send_code())

    async def _send_code(self) -> None:
        email = self.value("email")
        try:
            await self.session.client.send_code(email, self.purpose)
        except ServerError as error:
            delay = error.retry_delay or 0
            self._wait(min(LONGEST_WAIT_SECONDS, delay) if error.reason == "LIMIT_REACHED" else 0)
            self.refused(error)
            return
        self.entry.away = False
        self.sent_to = email
        self.ids.code.take()

    def _wait(self, seconds: float) -> None:
        self._again_at = time.monotonic() + seconds
        self._ticking.cancel()
        self._tick()
        if self.code_wait:
            self._ticking()

    def _tick(self, *_: Any) -> None:
        self.code_wait = max(0, math.ceil(self._again_at - time.monotonic()))
        if not self.code_wait:
            self._ticking.cancel()


kv.load(__file__)
