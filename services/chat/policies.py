"""How others may come near to users: asked of verify, and remembered for a while."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import grpc
from hongyan.verify.v1 import account_pb2, trust_pb2, trust_pb2_grpc

from services.common import calls
from services.common.errors import Unavailable

FRESH_SECONDS = 30.0
REMEMBERED = 100_000
PAGE = 1_000

# Which sources of a request each policy lets through: numbers of the contract's ContactSource.
_LETS: Mapping[int, frozenset[int]] = {
    account_pb2.ADD_POLICY_EVERYBODY: frozenset((1, 2, 3, 4)),
    account_pb2.ADD_POLICY_KNOWN: frozenset((2, 3, 4)),
    account_pb2.ADD_POLICY_CODE: frozenset((2,)),
    account_pb2.ADD_POLICY_NOBODY: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How others may come near to a user."""

    sources: frozenset[int]
    refuses_strangers: bool
    hides_read_receipts: bool
    is_bot: bool = False
    owner_id: str = ""
    """Whose bot it is."""

    def takes_at_once(self, user_id: str, source: int) -> bool:
        """Says whether the user is everybody's friend who asks this way: a bot is."""
        return self.is_bot and (self.owner_id == user_id or self.lets(source))

    def lets(self, source: int) -> bool:
        """Says whether the user takes requests of who came upon them this way."""
        return source in self.sources


class Policies:
    """What verify says of users. `now` is in seconds.

    While verify is away its last word counts; of whom it has said nothing, nobody can say
    anything: Unavailable.
    """

    def __init__(
        self, channel: grpc.aio.Channel, internal_key: str, now: Callable[[], float]
    ) -> None:
        self._stub = trust_pb2_grpc.TrustServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)
        self._now = now
        self._known: OrderedDict[str, tuple[float, Policy | None]] = OrderedDict()

    async def find(self, user_ids: Collection[str]) -> dict[str, Policy]:
        """Returns the policies of those users that have an account."""
        now = self._now()
        stale = [
            user_id
            for user_id in dict.fromkeys(user_ids)
            if user_id not in self._known or now - self._known[user_id][0] > FRESH_SECONDS
        ]
        for start in range(0, len(stale), PAGE):
            await self._ask(stale[start : start + PAGE], now)
        # A call at the same time may have forgotten some of many.
        found = {it: self._known.get(it, (0.0, None))[1] for it in user_ids}
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return {user_id: policy for user_id, policy in found.items() if policy}

    async def hiding(self, user_ids: Collection[str]) -> set[str]:
        """Returns who shows to nobody what they have read; who cannot be asked for counts so."""
        try:
            found = await self.find(user_ids)
        except Unavailable:
            return {it for it in user_ids if it not in self._known}
        return {user_id for user_id, policy in found.items() if policy.hides_read_receipts}

    async def bots(self, user_ids: Collection[str]) -> set[str]:
        """Returns which of some users are programs."""
        found = await self.find(user_ids)
        return {user_id for user_id, policy in found.items() if policy.is_bot}

    async def _ask(self, user_ids: list[str], now: float) -> None:
        try:
            answer = await self._stub.FindPolicies(
                trust_pb2.FindPoliciesRequest(user_ids=user_ids),
                metadata=self._metadata,
                timeout=calls.DEADLINE_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            if all(user_id in self._known for user_id in user_ids):
                return
            raise calls.unavailable("VERIFY_AWAY", error) from error
        said = {it.user_id: it for it in answer.policies}
        for user_id in user_ids:
            policy = to_policy(said[user_id]) if user_id in said else None
            # Who is not there may be a moment later.
            self._known[user_id] = (now if policy else 0.0, policy)
            self._known.move_to_end(user_id)


def to_policy(said: trust_pb2.Policy) -> Policy:
    """Reads what verify says."""
    return Policy(
        _LETS.get(said.add_policy, frozenset()),
        said.stranger_policy == account_pb2.STRANGER_POLICY_REFUSE,
        said.hide_read_receipts,
        said.kind == account_pb2.USER_KIND_BOT,
        said.owner_id,
    )
