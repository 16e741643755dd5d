"""How a group is led: who may do what in it, who comes in, whether all are silent."""

from typing import Any

from kivy.app import App
from kivy.factory import Factory
from kivy.properties import BooleanProperty, StringProperty

from app import kv
from app.widgets.section import Section
from hongyan_client.model import Group
from hongyan_client.permissions import Act, may

RULES = ("may_invite", "may_edit", "may_announce")
ROLES = ("member", "admin", "owner")


class GroupRules(Section):
    """The rows of who leads a group; nothing is in it for anybody else."""

    conversation_id = StringProperty("")
    leads = BooleanProperty(False)
    owns = BooleanProperty(False)
    may_invite = StringProperty("member")
    may_edit = StringProperty("member")
    may_announce = StringProperty("admin")
    approval = BooleanProperty(False)
    muted = BooleanProperty(False)
    large = BooleanProperty(False)

    __events__ = ("on_transfer",)

    def on_transfer(self) -> None:
        """The owner wants to hand the group on."""

    def show(self, conversation_id: str, group: Group) -> None:
        """Shows how a group is set."""
        self.conversation_id = conversation_id
        self.leads, self.owns = may(Act.RULES, group), may(Act.LARGE, group)
        for name in (*RULES, "approval", "muted", "large"):
            setattr(self, name, getattr(group.settings, name))

    def set(self, **values: Any) -> None:
        """Changes fields of `GroupSettings`."""
        session = App.get_running_app().session
        session.spawn(session.client.update_group(self.conversation_id, **values))

    def choose(self, name: str) -> None:
        """Asks for the least role that may do something."""
        App.get_running_app().session.spawn(self._choose(name))

    async def _choose(self, name: str) -> None:
        app = App.get_running_app()
        answer = await app.dialogs.choose(
            app.words(f"group.{name}"),
            [(it, app.words(f"group.from_{it}")) for it in ROLES],
            getattr(self, name),
        )
        if answer is not None and answer != getattr(self, name):
            await app.session.client.update_group(self.conversation_id, **{name: answer})


Factory.register("GroupRules", cls=GroupRules)
kv.load(__file__)
