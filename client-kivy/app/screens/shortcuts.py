"""What keys there are: the table of `keys`, as a page."""

from typing import Any

from kivy.app import App

from app import keys, kv
from app.widgets.page import Page
from app.widgets.section import Row, Section


class ShortcutsPage(Page):
    """Shows every shortcut under its heading."""

    def entered(self) -> None:
        App.get_running_app().words.bind(language=self._show)
        self._show()

    def left(self) -> None:
        App.get_running_app().words.unbind(language=self._show)

    def _show(self, *_: Any) -> None:
        words, column = App.get_running_app().words, self.ids.sections
        column.clear_widgets()
        for heading, part in keys.TABLE:
            section = Section(title=words(heading))
            column.add_widget(section)
            for it in part:
                section.add_widget(Row(label=words(it.text), value=self._label(it)))

    @staticmethod
    def _label(shortcut: keys.Shortcut) -> str:
        shown = [it.label for it in shortcut.keys if it.key != keys.BACK]
        if shortcut.text in ("keys.send", "keys.line"):
            # Which of the two it is was chosen in the settings.
            shown = shown[:1] if App.get_running_app().preferences.enter_sends else shown[1:]
        return "   ".join(shown)


kv.load(__file__)
