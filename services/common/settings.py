"""The settings that every service reads, from HONGYAN_* environment variables."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service needs to run. Each service adds its own."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    address: str = "127.0.0.1:7000"
    """Where gRPC is served: host:port."""
    ops_address: str = "127.0.0.1:9000"
    """Where /metrics is served over HTTP: host:port."""
    log_level: str = "info"
    """debug, info, warning or error."""
    otlp_endpoint: str = ""
    """Where spans go, OTLP over gRPC, such as http://127.0.0.1:4317; empty: no tracing."""
    trace_ratio: float = 1.0
    """Which part of traces is sampled when the caller has not decided, 0 to 1."""
    drain_seconds: float = 5.0
    """How long a stopping service waits, not ready, for callers to turn away."""
    grace_seconds: float = 10.0
    """How long a stopping service lets open calls finish after that."""
    internal_key: SecretStr = SecretStr("")
    """What services show each other; or brought by internal_key_file."""
    internal_key_file: Path | None = None
    """A file with the internal key."""

    def shared_key(self) -> str:
        """Returns the internal key; raises ValueError when there is none."""
        key = self.internal_key.get_secret_value()
        if not key and self.internal_key_file:
            key = self.internal_key_file.read_text().strip()
        if len(key) < 16:
            raise ValueError(
                "set HONGYAN_INTERNAL_KEY or HONGYAN_INTERNAL_KEY_FILE to a secret of 16 "
                "characters or more, the same for all services"
            )
        return key


class DatabaseSettings(BaseSettings):
    """Where the truth is kept."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    database_url: SecretStr = SecretStr("sqlite:///hongyan.db")
    """sqlite:///path, mysql://user:password@host:3306/name or mariadb://…"""
    database_pool: int = 8
    """How many connections to keep at most."""


class RedisSettings(BaseSettings):
    """Where the Redis Cluster is."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    redis_nodes: str = "127.0.0.1:6379"
    """Some nodes of the cluster: host:port,host:port; the rest is found."""
    redis_password: SecretStr = SecretStr("")
    """The cluster's password; empty: none."""


class AdminSettings(BaseSettings):
    """Who may administer."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    admin_keys_file: Path | None = None
    """A file with a line "name sha256" for each administrator's key; none: nobody administers."""
