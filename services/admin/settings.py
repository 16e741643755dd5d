"""Where the services are and which key to show: options, then HONGYAN_* variables, then a home."""

import json
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class NotFoundHere(Exception):
    """Something is not known that a command needs; the text says what to do."""


class Settings(BaseSettings):
    """What the environment says. What it does not say is looked for in the home of a local run."""

    model_config = SettingsConfigDict(env_prefix="HONGYAN_", frozen=True)

    home: Path = Path(".hongyan")
    """Where a local run keeps its keys and its addresses."""
    verify_target: str = ""
    """Where verify answers: host:port."""
    chat_target: str = ""
    """Where chat answers: host:port."""
    admin_key: SecretStr = SecretStr("")
    """The administrator's key; or brought by admin_key_file."""
    admin_key_file: Path | None = None
    """A file with the administrator's key."""
    admin_keys_file: Path | None = None
    """The file with the hashes of all keys, to which new-key adds one."""

    def target(self, service: str) -> str:
        """Returns where a service answers; raises NotFoundHere."""
        said = self.verify_target if service == "verify" else self.chat_target
        if said:
            return said
        path = self.home / "run" / "addresses.json"
        try:
            return str(json.loads(path.read_text())[service]["grpc"])
        except (OSError, ValueError, KeyError, TypeError):
            raise NotFoundHere(
                f"where is {service}? Give --{service} host:port, or set "
                f"HONGYAN_{service.upper()}_TARGET; there is no local run in {self.home}"
            ) from None

    def key(self) -> str:
        """Returns the administrator's key; raises NotFoundHere."""
        if said := self.admin_key.get_secret_value():
            return said
        path = self.admin_key_file or self.home / "keys" / "admin"
        try:
            return path.read_text().strip()
        except OSError as error:
            raise NotFoundHere(
                f"no administrator's key in {path} ({error.strerror}): give --key-file, or set "
                "HONGYAN_ADMIN_KEY_FILE"
            ) from None

    def keys_file(self) -> Path:
        """Returns the file with the hashes of all keys; raises NotFoundHere."""
        if self.admin_keys_file:
            return self.admin_keys_file
        path = self.home / "keys" / "admins"
        if not path.parent.is_dir():
            raise NotFoundHere(
                "which file has the keys? Give --keys-file, or set HONGYAN_ADMIN_KEYS_FILE"
            )
        return path
