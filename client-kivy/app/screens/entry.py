"""Before there is an account: one card over a landscape, which is the welcome or a form."""

from typing import Any

from kivy.app import App
from kivy.metrics import dp
from kivy.properties import (
    BooleanProperty,
    ListProperty,
    NumericProperty,
    ObjectProperty,
    OptionProperty,
    StringProperty,
)
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout

from app import kv
from app.screens.login import Login
from app.screens.register import Register
from app.screens.reset import Reset
from app.screens.welcome import Welcome
from app.session import Session
from app.widgets.scenery import Scenery  # noqa: F401 - the rules name it
from hongyan_client.channel import Address

WIDE = 620
SKY = 0.2
FORMS = ("welcome", "login", "register", "reset")


class AwayNote(BoxLayout):
    """Says that the server cannot be reached, which one it is, and how to choose another."""

    entry = ObjectProperty(None, rebind=True)
    shown = BooleanProperty(False)


class Entry(FloatLayout):
    """Shows one of the forms; the address that was written goes with one to the next."""

    session = ObjectProperty(None)
    form = OptionProperty("welcome", options=FORMS)
    email = StringProperty("")
    away = BooleanProperty(False)
    """Whether the server could not be reached just now."""
    address = StringProperty("")
    narrow = BooleanProperty(False)
    edges = ListProperty([0, 0, 0, 0])
    """What covers the window on a phone, in pixels: left, top, right, bottom."""
    edge = NumericProperty(0)
    """What is covered at top and bottom together."""
    head = NumericProperty(0)
    """How high the welcome leaves the sky free above itself."""

    def __init__(self, session: Session, **options: Any) -> None:
        super().__init__(session=session, **options)
        self.address = session.client.address
        self.forms: dict[str, Any] = {
            "welcome": Welcome(entry=self),
            "login": Login(entry=self, session=session),
            "register": Register(entry=self, session=session),
            "reset": Reset(entry=self, session=session),
        }
        self.bind(form=self._show, size=self._measure)
        session.bind(signed_in=self._start_anew)
        self._measure()
        self._show()

    @property
    def shown(self) -> Any:
        """The form that is shown."""
        return self.forms[self.form]

    def _measure(self, *_: Any) -> None:
        self.narrow = self.width < dp(WIDE)
        self.head = max(dp(16), self.height * SKY) if self.narrow else dp(8)

    def on_edges(self, *_: Any) -> None:
        self.edge = self.edges[1] + self.edges[3]

    def _show(self, *_: Any) -> None:
        self.ids.place.clear_widgets()
        self.ids.place.add_widget(self.shown)
        self.ids.scroll.scroll_y = 1
        self.address = self.session.client.address
        if self.form != "welcome":
            self.shown.calm()
            self.shown.begin()

    def _start_anew(self, *_: Any) -> None:
        self.form, self.away = "welcome", False
        for name in FORMS[1:]:
            self.forms[name].forget()

    def back(self) -> bool:
        """Goes back to the welcome; False: that is shown."""
        if self.form == "welcome":
            return False
        self.form = "login" if self.form == "reset" else "welcome"
        return True

    # Where the server is

    def ask_address(self) -> None:
        """Asks for the address of another gateway."""
        self.session.spawn(self._ask_address())

    async def _ask_address(self) -> None:
        app = App.get_running_app()
        written = await app.dialogs.ask(
            app.words("server.title"),
            self.address,
            text=app.words("server.text"),
            hint="https://",
            yes=app.words("button.save"),
        )
        if not written or written == self.address:
            return
        try:
            Address.parse(written)
        except ValueError:
            app.tell("server.wrong")
            return
        address = written if "://" in written else f"http://{written}"
        await self.session.client.move_to(address.rstrip("/"))
        app.preferences.address = self.address = self.session.client.address
        self.away = False
        app.tell("server.set")


kv.load(__file__)
