"""Gate's settings, read once from HONGYAN_* environment variables."""

import os
import socket

from services.common.settings import RedisSettings, ServiceSettings


class Settings(ServiceSettings, RedisSettings):
    """What gate needs to run."""

    address: str = "127.0.0.1:7001"
    ops_address: str = "127.0.0.1:9101"
    gate_id: str = f"{socket.gethostname()}-{os.getpid()}"
    """This gate's name, different from all others'."""
    verify_target: str = "127.0.0.1:7002"
    """Where verify answers: any gRPC target."""
    chat_target: str = "127.0.0.1:7003"
    """Every chat pod: host:port,host:port; a host name stands for all its addresses."""
    status_target: str = "127.0.0.1:7004"
    """Where status answers: any gRPC target."""
    idle_seconds: float = 90.0
    """How long a device may be silent."""
    slow_seconds: float = 10.0
    """How long a device may leave a frame unread once its queue is full."""
    queue_frames: int = 2_000
    """How many frames may wait for one device; beyond, pushes become one NeedSync."""
    queue_bytes: int = 2 * 1024 * 1024
    """How many bytes may wait for one device; beyond, pushes become one NeedSync."""
    limit_send: str = "60/1"
    """Messages a user may send over streams of this gate: bucket/seconds for one more."""
    limit_send_device: str = "600/0.1"
    """The same for one device."""
    limit_cursors: str = "1000/0.05"
    """Cursors that a device may move: bucket/seconds for one more; the rest is left out."""
    limit_typing: str = "1/2"
    """How often a user may say in one conversation to be typing; the rest is left out."""
    limit_connect: str = "20/3"
    """Streams a user may open: bucket/seconds for one more."""
    drain_spread_seconds: float = 30.0
    """A stopping gate asks its devices to come back elsewhere within this time, each in its turn;
    until then it serves them. Few devices take less."""
