"""When and how the app tells of what is new."""

from typing import Any

from kivy.app import App
from kivy.properties import BooleanProperty

from app import kv
from app.widgets.page import Page


class NotificationsPage(Page):
    """The choices about notifications, and one to try them."""

    possible = BooleanProperty(True)
    """Whether this device has a service for notifications."""
    tray = BooleanProperty(False)

    def entered(self) -> None:
        desktop = App.get_running_app().desktop
        desktop.bind(notifies=self._show, tray_there=self._show)
        self._show()

    def left(self) -> None:
        App.get_running_app().desktop.unbind(notifies=self._show, tray_there=self._show)

    def _show(self, *_: Any) -> None:
        desktop = App.get_running_app().desktop
        self.possible, self.tray = desktop.notifies, desktop.tray_there

    def test(self) -> None:
        """Sends a notification as they will look."""
        self.session.spawn(self._test())

    async def _test(self) -> None:
        app = App.get_running_app()
        sent = await app.desktop.test_notification()
        app.tell("notify.tested" if sent else "notify.absent")


kv.load(__file__)
