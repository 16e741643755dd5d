"""Who shows their presence to nobody: asked of verify, and remembered for a while."""

from collections import OrderedDict
from collections.abc import Callable, Collection

import grpc
import structlog
from hongyan.verify.v1 import trust_pb2, trust_pb2_grpc

from services.common import calls

FRESH_SECONDS = 30.0
# Short of the time that who asks status waits; and after a failure verify is left alone.
ASK_SECONDS = 1.0
REST_SECONDS = 5.0
REMEMBERED = 100_000
PAGE = 1_000

log = structlog.get_logger()


class Privacy:
    """What verify says of users. `now` is in seconds.

    While verify is away its last word counts; of whom it has said nothing, presence is hidden.
    """

    def __init__(
        self, channel: grpc.aio.Channel, internal_key: str, now: Callable[[], float]
    ) -> None:
        self._stub = trust_pb2_grpc.TrustServiceStub(channel)
        self._metadata = calls.internal_metadata(internal_key)
        self._now = now
        self._rest_until = 0.0
        self._known: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def hidden(self, user_ids: Collection[str]) -> set[str]:
        """Returns those users whose presence nobody may see."""
        now = self._now()
        if now < self._rest_until:
            return {it for it in user_ids if self._known.get(it, (0.0, True))[1]}
        stale = [
            user_id
            for user_id in dict.fromkeys(user_ids)
            if user_id not in self._known or now - self._known[user_id][0] > FRESH_SECONDS
        ]
        for start in range(0, len(stale), PAGE):
            if now >= self._rest_until:
                await self._ask(stale[start : start + PAGE], now)
        found = {it for it in user_ids if self._known.get(it, (0.0, True))[1]}
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _ask(self, user_ids: list[str], now: float) -> None:
        try:
            answer = await self._stub.FindHiddenPresence(
                trust_pb2.FindHiddenPresenceRequest(user_ids=user_ids),
                metadata=self._metadata,
                timeout=ASK_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            log.warning("privacy.unknown", why=error.code().name)
            self._rest_until = now + REST_SECONDS
            return
        hidden = set(answer.user_ids)
        for user_id in user_ids:
            self._known[user_id] = (now, user_id in hidden)
            self._known.move_to_end(user_id)
