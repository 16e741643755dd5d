"""Colours and sizes: the only place that knows either."""

from kivy.event import EventDispatcher
from kivy.properties import BooleanProperty, ColorProperty, NumericProperty
from kivy.utils import get_color_from_hex

LIGHT = {
    # First: the rule of an icon sets it, and what the icon stands for may set another after it.
    "icon": "#4A4A4A",
    "rail": "#EAEAEA",
    "list": "#F7F7F7",
    "ground": "#F2F2F2",
    "card": "#FFFFFF",
    "hover": "#ECECEC",
    "selected": "#DCDCDC",
    "line": "#E2E2E2",
    "text": "#161616",
    "secondary": "#666666",
    "mine": "#A5EB7B",
    "mine_text": "#10240A",
    "peer": "#FFFFFF",
    "peer_text": "#161616",
    "mine_text_link": "#0B5394",
    "peer_text_link": "#1A5FB4",
    "field": "#FFFFFF",
    "accent": "#06AE56",
    "strong": "#067A3E",
    "strong_down": "#056432",
    "strong_text": "#FFFFFF",
    "badge": "#D93636",
    "badge_text": "#FFFFFF",
    "danger": "#C62828",
    "danger_strong": "#C62828",
    "danger_down": "#9C1F1F",
    "link": "#067A3E",
    "shadow": "#00000024",
    "bar": "#00000040",
    "toast": "#303030",
    "toast_text": "#FFFFFF",
    "dim": "#101012F5",
    "dim_bar": "#000000A0",
    "dim_text": "#F2F2F2",
    "wait": "#D9902F",
    "sky_high": "#CFE6DC",
    "sky_low": "#FBF4E6",
    "sun": "#FFF3D6",
    "hill": "#6FA694",
    "reed": "#3F6F5C",
    "goose": "#35594C",
}
DARK = {
    "icon": "#B8B8BD",
    "rail": "#1C1C1E",
    "list": "#202022",
    "ground": "#151516",
    "card": "#262628",
    "hover": "#2B2B2E",
    "selected": "#37373B",
    "line": "#303034",
    "text": "#EDEDED",
    "secondary": "#A0A0A6",
    "mine": "#1E6B3A",
    "mine_text": "#F2FFF5",
    "peer": "#2D2D31",
    "peer_text": "#EDEDED",
    "mine_text_link": "#D5E8FF",
    "peer_text_link": "#8AB8FF",
    "field": "#2A2A2D",
    "accent": "#20C268",
    "strong": "#0A8444",
    "strong_down": "#076C37",
    "strong_text": "#FFFFFF",
    "badge": "#D93636",
    "badge_text": "#FFFFFF",
    "danger": "#FF7B72",
    "danger_strong": "#C62828",
    "danger_down": "#9C1F1F",
    "link": "#20C268",
    "shadow": "#00000080",
    "bar": "#FFFFFF40",
    "toast": "#E6E6E6",
    "toast_text": "#161616",
    "dim": "#101012F5",
    "dim_bar": "#000000A0",
    "dim_text": "#F2F2F2",
    "wait": "#E0A245",
    "sky_high": "#0C1A20",
    "sky_low": "#23453F",
    "sun": "#E9E6CF",
    "hill": "#0F2A28",
    "reed": "#081716",
    "goose": "#A9C4B8",
}
# What is read on what: each pair has a contrast of 4.5 or more.
READ_ON = (
    ("text", "list"),
    ("text", "card"),
    ("text", "selected"),
    ("text", "field"),
    ("text", "ground"),
    ("secondary", "list"),
    ("secondary", "card"),
    ("secondary", "ground"),
    ("secondary", "field"),
    ("mine_text", "mine"),
    ("peer_text", "peer"),
    ("mine_text_link", "mine"),
    ("peer_text_link", "peer"),
    ("strong_text", "strong"),
    ("badge_text", "badge"),
    ("toast_text", "toast"),
    ("danger", "card"),
    ("link", "card"),
    ("link", "ground"),
    ("link", "list"),
    ("text", "hover"),
    ("strong_text", "danger_strong"),
    ("dim_text", "dim"),
    ("text", "sky_high"),
    ("text", "sky_low"),
)


class _Base(EventDispatcher):
    """The tokens as they are now; `dark` chooses which, `scale` is the size of letters."""

    dark = BooleanProperty(False)
    scale = NumericProperty(1.0)

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.bind(dark=self._apply)
        self._apply()

    def _apply(self, *_: object) -> None:
        for name, value in (DARK if self.dark else LIGHT).items():
            color = get_color_from_hex(value)
            if getattr(self, name) == color:
                # Told all the same: what a rule sets from it, another rule may just have undone.
                self.property(name).dispatch(self)
            else:
                setattr(self, name, color)


# Properties must be there when the class is made: set later, all would share one place.
Theme = type("Theme", (_Base,), {name: ColorProperty((0, 0, 0, 1)) for name in LIGHT})
