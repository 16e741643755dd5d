"""The client's methods about logging in by a code that another device shows; `Client` has them."""

import asyncio
from abc import ABC, abstractmethod

from grpclib.const import Status
from hongyan.verify.v1 import account_pb2, login_code_grpc, login_code_pb2

from hongyan_client.account import CREDENTIAL_SECONDS, AccountCalls
from hongyan_client.channel import Channel
from hongyan_client.errors import (
    DeadlineExceeded,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from hongyan_client.model import Account, Claim, LoginCode, LoginCodeState, from_micros

LOGIN_LINK = "hongyan://login/"
POLL_SECONDS = 1.0
STATES = {
    login_code_pb2.LOGIN_CODE_STATE_WAITING: LoginCodeState.WAITING,
    login_code_pb2.LOGIN_CODE_STATE_CLAIMED: LoginCodeState.CLAIMED,
    login_code_pb2.LOGIN_CODE_STATE_APPROVED: LoginCodeState.APPROVED,
    login_code_pb2.LOGIN_CODE_STATE_DECLINED: LoginCodeState.DECLINED,
    login_code_pb2.LOGIN_CODE_STATE_USED: LoginCodeState.USED,
}


class LoginCodes(ABC):
    """Both sides of it: the device that shows a code, and the one that logs in by it."""

    @property
    @abstractmethod
    def account(self) -> AccountCalls:
        """The calls as this profile's session."""

    @property
    @abstractmethod
    def channel(self) -> Channel:
        """The connection to the gateway."""

    @abstractmethod
    def _device(self, name: str, platform: str) -> account_pb2.Device: ...

    @abstractmethod
    async def _stop(self) -> None: ...

    @abstractmethod
    def _close_local(self) -> None: ...

    def _login_codes(self) -> login_code_grpc.LoginCodeServiceStub:
        return login_code_grpc.LoginCodeServiceStub(self.channel.grpc)

    # The device that is logged in

    async def create_login_code(self) -> LoginCode:
        """Makes a code to show as `LoginCode.link`; the one that this session made before ends."""
        request = login_code_pb2.CreateLoginCodeRequest()
        answer = await self.account.call(self._login_codes().CreateLoginCode, request)
        return LoginCode(
            answer.code_id,
            LoginCodeState.WAITING,
            from_micros(answer.expires_at.ToMicroseconds()),
            link=LOGIN_LINK + answer.code,
        )

    async def login_code(self, code_id: str) -> LoginCode:
        """Returns what has become of a code: ask about once a second while it is shown.

        Raises NotFound when there is none such, or it has been over for long.
        """
        request = login_code_pb2.GetLoginCodeRequest(code_id=code_id)
        answer = await self.account.call(self._login_codes().GetLoginCode, request)
        return _login_code(answer.login_code)

    async def answer_login_code(self, code_id: str, *, approve: bool) -> LoginCode:
        """Lets the device in that has claimed a code, or ends the code, claimed or not.

        Approve only what the user has seen: the claim's device and number. Raises NotFound when
        the code has expired, and ServerError LOGIN_CODE_NOT_CLAIMED or LOGIN_CODE_ANSWERED.
        """
        request = login_code_pb2.AnswerLoginCodeRequest(code_id=code_id, approve=approve)
        answer = await self.account.call(self._login_codes().AnswerLoginCode, request)
        return _login_code(answer.login_code)

    # The device that wants to log in

    async def claim_login_code(
        self, code_or_link: str, *, device_name: str = "", platform: str = ""
    ) -> Claim:
        """Claims a code that another device shows; then show the claim's name and number.

        Raises NotFound for a code that is wrong, claimed already, or expired. Who was logged in
        here stays so until `login_with_code` is done.
        """
        request = login_code_pb2.ClaimLoginCodeRequest(
            code=code_or_link.strip().removeprefix(LOGIN_LINK),
            device=self._device(device_name, platform),
        )
        answer = await self.channel.call(
            self._login_codes().ClaimLoginCode, request, timeout=CREDENTIAL_SECONDS
        )
        return Claim(
            answer.claim_token,
            answer.display_name,
            answer.number,
            from_micros(answer.expires_at.ToMicroseconds()),
        )

    async def login_with_code(
        self, claim: Claim, timeout: float = 120.0, *, poll_seconds: float = POLL_SECONDS
    ) -> Account:
        """Waits for the other device's answer and logs in; else as `login`.

        Raises PermissionDenied LOGIN_DECLINED, NotFound when the claim has expired or its code
        is dead, and DeadlineExceeded LOGIN_NOT_ANSWERED. It may be called again after the last.
        """
        login = await self._answered(claim, timeout, poll_seconds)
        await self._stop()
        account = await self.account.become(login)
        self._close_local()
        return account

    async def _answered(
        self, claim: Claim, timeout: float, poll_seconds: float
    ) -> account_pb2.LoginResponse:
        """Asks until there is an answer; a server that is away, or has enough, is asked later."""
        request = login_code_pb2.LoginWithCodeRequest(claim_token=claim.token)
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while True:
            pause = poll_seconds
            try:
                # Not cut off at the deadline: an answer with tokens comes once.
                answer = await self.channel.call(self._login_codes().LoginWithCode, request)
            except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
                pause = max(pause, error.retry_delay or 0.0)
            else:
                match answer.WhichOneof("outcome"):
                    case "login":
                        return answer.login
                    case "declined":
                        raise PermissionDenied(
                            Status.PERMISSION_DENIED.value, "LOGIN_DECLINED", "the answer was no"
                        )
            if clock() + pause > deadline:
                raise DeadlineExceeded(
                    Status.DEADLINE_EXCEEDED.value, "LOGIN_NOT_ANSWERED", "no answer in time"
                )
            await asyncio.sleep(pause)


def _login_code(code: login_code_pb2.LoginCode) -> LoginCode:
    return LoginCode(
        code.code_id,
        STATES.get(code.state, LoginCodeState.EXPIRED),
        from_micros(code.expires_at.ToMicroseconds()),
        code.claim.device_name,
        code.claim.platform,
        code.claim.number,
    )
