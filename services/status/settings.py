"""Status's settings, read once from HONGYAN_* environment variables."""

from services.common.settings import RedisSettings, ServiceSettings


class Settings(ServiceSettings, RedisSettings):
    """What status needs to run."""

    address: str = "127.0.0.1:7004"
    ops_address: str = "127.0.0.1:9104"
    verify_target: str = "127.0.0.1:7002"
    """Where verify answers: any gRPC target."""
    lease_seconds: float = 60.0
    """How long a user counts as online on a gate that says nothing more."""
    last_seen_days: float = 180.0
    """How long the time of a user's last connection is kept."""
    offline_seconds: float = 25.0
    """How long a user must be away before the devices that watch the user are told so."""
