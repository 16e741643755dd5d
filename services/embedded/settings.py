"""The embedded run's settings, read once from HONGYAN_* environment variables."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the local run needs to know. Everything has a default.

    Every other HONGYAN_* variable reaches the services as it is.
    """

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    port: int = Field(default=8080, ge=0, le=65535)
    """Where the gateway listens; 0: any free port."""
    home: Path = Path(".hongyan")
    """Where data, keys, mail and logs are kept."""
    database_url: SecretStr = SecretStr("")
    """An own MariaDB or MySQL instead of the embedded SQLite."""
    redis_nodes: str = ""
    """An own Redis Cluster instead of the embedded one: host:port,host:port."""
    redis_password: SecretStr = SecretStr("")
    """The own cluster's password; empty: none."""
    smtp_url: SecretStr = SecretStr("")
    """A mail server: smtp://user:password@host:587?starttls=true; empty: a folder."""
    mail_from: str = "Hongyan <hongyan@localhost>"
    """The sender of mails."""
    otlp_endpoint: str = Field(default="", pattern=r"^(http://[^/:]+:\d+/?)?$")
    """Where traces go, such as http://127.0.0.1:4317; empty: no tracing."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much the services say in their logs."""
