"""verify.v1's LoginCodeService: protobuf in, protobuf out, nothing decided here."""

from collections.abc import Callable
from typing import Any

from hongyan.verify.v1 import account_pb2, login_code_pb2, login_code_pb2_grpc

from services.common.identity import caller
from services.verify.login_codes import LoginCodes
from services.verify.model import Account, Device, LoginCode, LoginCodeState
from services.verify.profile_rpc import to_timestamp
from services.verify.rpc import peer_ip, to_tokens


class LoginCodeService(login_code_pb2_grpc.LoginCodeServiceServicer):
    """Log-ins by a code, for the device that shows it and the one that claims it."""

    def __init__(self, login_codes: LoginCodes, to_me: Callable[[Account], account_pb2.Me]) -> None:
        self._login_codes = login_codes
        self._to_me = to_me

    async def CreateLoginCode(
        self, request: login_code_pb2.CreateLoginCodeRequest, context: Any
    ) -> Any:
        code, made = await self._login_codes.create(caller())
        return login_code_pb2.CreateLoginCodeResponse(
            code_id=made.code_id, code=code, expires_at=to_timestamp(made.expires_at)
        )

    async def GetLoginCode(self, request: login_code_pb2.GetLoginCodeRequest, context: Any) -> Any:
        code = await self._login_codes.look(caller().user_id, request.code_id)
        return login_code_pb2.GetLoginCodeResponse(login_code=to_login_code(code))

    async def AnswerLoginCode(
        self, request: login_code_pb2.AnswerLoginCodeRequest, context: Any
    ) -> Any:
        code = await self._login_codes.answer(
            caller().user_id, request.code_id, approve=request.approve
        )
        return login_code_pb2.AnswerLoginCodeResponse(login_code=to_login_code(code))

    async def ClaimLoginCode(
        self, request: login_code_pb2.ClaimLoginCodeRequest, context: Any
    ) -> Any:
        device = Device(request.device.id, request.device.name, request.device.platform)
        claimed = await self._login_codes.claim(request.code, device, peer_ip(context))
        return login_code_pb2.ClaimLoginCodeResponse(
            claim_token=claimed.token,
            display_name=claimed.display_name,
            number=claimed.number,
            expires_at=to_timestamp(claimed.expires_at),
        )

    async def LoginWithCode(
        self, request: login_code_pb2.LoginWithCodeRequest, context: Any
    ) -> Any:
        state, opened = await self._login_codes.login(request.claim_token, peer_ip(context))
        answer = login_code_pb2.LoginWithCodeResponse()
        if opened is not None:
            tokens, account = opened
            answer.login.tokens.CopyFrom(to_tokens(tokens))
            answer.login.me.CopyFrom(self._to_me(account))
        elif state is LoginCodeState.DECLINED:
            answer.declined.SetInParent()
        else:
            answer.waiting.SetInParent()
        return answer


def to_login_code(code: LoginCode) -> login_code_pb2.LoginCode:
    """Returns a code as whose account it opens sees it."""
    answer = login_code_pb2.LoginCode(
        code_id=code.code_id,
        state=login_code_pb2.LoginCodeState.ValueType(code.state),
        expires_at=to_timestamp(code.expires_at),
    )
    if code.claim_hash is not None:
        answer.claim.device_name = code.device.name
        answer.claim.platform = code.device.platform
        answer.claim.number = code.number
    return answer
