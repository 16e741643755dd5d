"""The embedded run's settings, read once from HONGYAN_* environment variables."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the local run needs to know. Everything has a default."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    port: int = 8080
    """Where the gateway listens; 0: any free port."""
    home: Path = Path(".hongyan")
    """Where data, keys, mail and logs are kept."""
    database_url: SecretStr = SecretStr("")
    """An own MariaDB or MySQL instead of the embedded SQLite."""
    redis_nodes: str = ""
    """An own Redis Cluster instead of the embedded one: host:port,host:port."""
    otlp_endpoint: str = ""
    """Where traces go, such as http://127.0.0.1:4317; empty: no tracing."""
