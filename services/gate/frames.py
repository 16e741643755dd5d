"""The events that gate itself says to devices, as serialized frames."""

from hongyan.gate.v1 import gate_pb2

from services.common.errors import AppError, status_code, to_duration

Reason = gate_pb2.GoAwayReason


def welcome(session_id: str, idle_seconds: float) -> bytes:
    """The session is open."""
    event = gate_pb2.ServerEvent(
        welcome=gate_pb2.Welcome(session_id=session_id, idle_timeout=to_duration(idle_seconds))
    )
    return _frame(event)


def go_away(reason: gate_pb2.GoAwayReason.ValueType, reconnect_seconds: float) -> bytes:
    """The stream is about to close."""
    event = gate_pb2.GoAway(reason=reason, reconnect_after=to_duration(reconnect_seconds))
    return _frame(gate_pb2.ServerEvent(go_away=event))


def pong(nonce: int) -> bytes:
    """The answer to a ping."""
    return _frame(gate_pb2.ServerEvent(pong=gate_pb2.Pong(nonce=nonce)))


def head_moved(conversation_id: str, last_seq: int) -> bytes:
    """The head of a conversation moved."""
    event = gate_pb2.HeadMoved(conversation_id=conversation_id, last_seq=last_seq)
    return _frame(gate_pb2.ServerEvent(head_moved=event))


def send_refused(conversation_id: str, client_message_id: str, error: AppError) -> bytes:
    """A message was not stored."""
    event = gate_pb2.SendRefused(
        conversation_id=conversation_id,
        client_message_id=client_message_id,
        refusal=_refusal(error),
    )
    return _frame(gate_pb2.ServerEvent(send_refused=event))


def frame_refused(error: AppError) -> bytes:
    """A frame, or an event of it, was not accepted."""
    event = gate_pb2.FrameRefused(refusal=_refusal(error))
    return _frame(gate_pb2.ServerEvent(frame_refused=event))


def _refusal(error: AppError) -> gate_pb2.Refusal:
    refusal = gate_pb2.Refusal(code=status_code(error), reason=error.reason, message=error.message)
    if error.retry_seconds is not None:
        refusal.retry_delay.CopyFrom(to_duration(error.retry_seconds))
    return refusal


def _frame(event: gate_pb2.ServerEvent) -> bytes:
    return gate_pb2.ConnectResponse(events=[event]).SerializeToString()


NEED_SYNC = _frame(gate_pb2.ServerEvent(need_sync=gate_pb2.NeedSync()))
"""Events were left out."""
