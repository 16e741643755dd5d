"""Profiles on the wire: the calls of AccountService that are about them."""

from typing import Any

from google.api import httpbody_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from hongyan.verify.v1 import account_pb2, account_pb2_grpc, trust_pb2

from services.common.errors import Invalid
from services.common.identity import caller
from services.verify.avatars import Square
from services.verify.model import Account, Privacy
from services.verify.profiles import Profiles

PRIVACY = (
    "hide_from_handle_search",
    "hide_from_email_search",
    "add_policy",
    "stranger_policy",
    "hide_read_receipts",
)
PLAIN = ("display_name", "handle", "signature", "region", "gender")
CHANGEABLE = {*PLAIN, "presence_visibility", "privacy", *(f"privacy.{name}" for name in PRIVACY)}
# What an id names never changes, and only who may see it gets it.
AVATAR_HEADERS = (
    ("cache-control", "private, max-age=31536000, immutable"),
    ("x-content-type-options", "nosniff"),
)


class ProfileCalls(account_pb2_grpc.AccountServiceServicer):
    """The part of AccountService that is about profiles."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    async def GetMe(self, request: account_pb2.GetMeRequest, context: Any) -> Any:
        account = await self._profiles.me(caller().user_id)
        return account_pb2.GetMeResponse(me=self.to_me(account))

    async def UpdateMe(self, request: account_pb2.UpdateMeRequest, context: Any) -> Any:
        values = changes(request.me, set(request.update_mask.paths))
        account = await self._profiles.change(caller().user_id, values)
        return account_pb2.UpdateMeResponse(me=self.to_me(account))

    async def GetUser(self, request: account_pb2.GetUserRequest, context: Any) -> Any:
        account = await self._profiles.user(request.user_id)
        return account_pb2.GetUserResponse(user=to_user(account))

    async def GetUsers(self, request: account_pb2.GetUsersRequest, context: Any) -> Any:
        found = await self._profiles.users(list(request.user_ids))
        return account_pb2.GetUsersResponse(users=[to_user(account) for account in found])

    async def SearchUser(self, request: account_pb2.SearchUserRequest, context: Any) -> Any:
        found = await self._profiles.search(caller().user_id, request.query)
        return account_pb2.SearchUserResponse(user=to_user(found) if found else None)

    async def SetAvatar(self, request: account_pb2.SetAvatarRequest, context: Any) -> Any:
        square = None
        if request.HasField("square"):
            square = Square(request.square.left, request.square.top, request.square.side)
        account = await self._profiles.set_avatar(caller().user_id, request.image, square)
        return account_pb2.SetAvatarResponse(me=self.to_me(account))

    async def DeleteAvatar(self, request: account_pb2.DeleteAvatarRequest, context: Any) -> Any:
        account = await self._profiles.delete_avatar(caller().user_id)
        return account_pb2.DeleteAvatarResponse(me=self.to_me(account))

    async def GetAvatar(self, request: account_pb2.GetAvatarRequest, context: Any) -> Any:
        image = await self._profiles.avatar(request.avatar_id, request.size)
        await context.send_initial_metadata(AVATAR_HEADERS)
        return httpbody_pb2.HttpBody(content_type="image/webp", data=image)

    def to_me(self, account: Account) -> account_pb2.Me:
        """Returns what a user sees of themself."""
        changeable_at = self._profiles.handle_changeable_at(account)
        return account_pb2.Me(
            user_id=account.user_id,
            display_name=account.display_name,
            email=account.email,
            created_at=to_timestamp(account.created_at),
            presence_visibility=(
                account_pb2.PRESENCE_VISIBILITY_NOBODY
                if account.presence_hidden
                else account_pb2.PRESENCE_VISIBILITY_EVERYBODY
            ),
            handle=account.profile.handle,
            avatar_id=account.profile.avatar_id,
            signature=account.profile.signature,
            region=account.profile.region,
            gender=account_pb2.Gender.ValueType(account.profile.gender),
            privacy=to_privacy(account.profile.privacy),
            handle_changeable_at=None if changeable_at is None else to_timestamp(changeable_at),
        )


def changes(me: account_pb2.Me, paths: set[str]) -> dict[str, str | int | None]:
    """Returns the values that an UpdateMe sets; raises Invalid for what cannot be changed."""
    if not paths:
        paths = {field.name for field, _ in me.ListFields()} & CHANGEABLE - {"privacy"}
        paths |= {f"privacy.{field.name}" for field, _ in me.privacy.ListFields()}
    if not paths <= CHANGEABLE or not paths:
        problem = f"must name what can be changed: {', '.join(sorted(CHANGEABLE))}"
        raise Invalid("INVALID_FIELD", problem, fields={"update_mask": problem})
    values: dict[str, str | int | None] = {
        name: getattr(me, name) for name in PLAIN if name in paths
    }
    if "presence_visibility" in paths:
        hidden = me.presence_visibility == account_pb2.PRESENCE_VISIBILITY_NOBODY
        values["presence_hidden"] = int(hidden)
    for name in PRIVACY:
        if "privacy" in paths or f"privacy.{name}" in paths:
            value = int(getattr(me.privacy, name))
            # A policy that is not said is the first one.
            values[name] = max(value, 1) if name.endswith("_policy") else value
    return values


def to_timestamp(micros: int) -> Timestamp:
    """Returns microseconds since 1970 as a Timestamp."""
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp


def to_user(account: Account) -> account_pb2.User:
    """Returns what others see of a user."""
    return account_pb2.User(
        user_id=account.user_id,
        display_name=account.display_name,
        handle=account.profile.handle,
        avatar_id=account.profile.avatar_id,
        signature=account.profile.signature,
        region=account.profile.region,
        gender=account_pb2.Gender.ValueType(account.profile.gender),
        kind=account_pb2.UserKind.ValueType(account.kind),
        deleted=account.deleted,
    )


def to_privacy(privacy: Privacy) -> account_pb2.Privacy:
    """Returns who may find, ask and see a user."""
    return account_pb2.Privacy(**{name: getattr(privacy, name) for name in PRIVACY})


def to_policy(account: Account) -> trust_pb2.Policy:
    """Returns how others may come near to a user."""
    privacy = account.profile.privacy
    return trust_pb2.Policy(
        user_id=account.user_id,
        add_policy=account_pb2.AddPolicy.ValueType(privacy.add_policy),
        stranger_policy=account_pb2.StrangerPolicy.ValueType(privacy.stranger_policy),
        hide_read_receipts=privacy.hide_read_receipts,
        kind=account_pb2.UserKind.ValueType(account.kind),
        owner_id=account.owner_id,
    )
