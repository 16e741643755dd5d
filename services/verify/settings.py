"""Verify's settings, read once from HONGYAN_* environment variables."""

from pathlib import Path

from pydantic import Field, SecretStr

from services.common.settings import AdminSettings, DatabaseSettings, RedisSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, RedisSettings, AdminSettings):
    """What verify needs to run."""

    address: str = "127.0.0.1:7002"
    ops_address: str = "127.0.0.1:9102"
    chat_target: str = "127.0.0.1:7003"
    """Where chat answers: gRPC targets, of which the first is asked."""
    signing_key: SecretStr = SecretStr("")
    """The Ed25519 private key that signs access tokens, PEM; or brought by signing_key_file."""
    signing_key_file: Path | None = None
    """A file with the signing key."""
    smtp_url: SecretStr = SecretStr("")
    """smtp://user:password@host:587?starttls=true, or smtps://…; empty: mail_folder."""
    mail_folder: Path = Path(".hongyan/mail")
    """Where mail lands as .eml files when there is no smtp_url."""
    mail_from: str = "Hongyan <hongyan@localhost>"
    """The sender of mails."""
    password_memory_mib: int = Field(default=64, ge=8, le=4096)
    """How much memory the hash of a password takes: the more, the dearer is a guess. Those
    that are there keep theirs."""
    code_minutes: float = 10.0
    """How long a mailed code works."""
    code_tries: int = 5
    """How many guesses a code allows."""
    session_idle_days: float = 30.0
    """A session that is not refreshed for so long ends."""
    session_days: float = 180.0
    """A session ends after so long in any case."""
    refresh_grace_seconds: float = 10.0
    """How long a used refresh token still gives an answer, while the new one is unused."""
    limit_code_address: str = "3/60"
    """Codes for one address: bucket/seconds for one more."""
    limit_code_ip: str = "20/10"
    """Codes asked for from one IP address."""
    limit_login_account: str = "10/30"
    """Log-ins for one account from one IP address."""
    limit_login_ip: str = "100/2"
    """Log-ins from one IP address."""
    login_code_seconds: float = 120.0
    """How long a code for another device can be claimed, and a claim be answered and used."""
    limit_login_code: str = "10/30"
    """Codes for another device made by one user."""
    limit_login_code_look: str = "200/0.5"
    """Looks at what became of them, and answers, by one user."""
    limit_claim_ip: str = "100/2"
    """Codes for another device claimed from one IP address."""
    limit_claim_poll_ip: str = "600/0.2"
    """Looks whether a claim was answered, from one IP address."""
    handle_days: float = 365.0
    """A handle can be changed again after so long."""
    limit_search_user: str = "100/15"
    """Searches for users by one user."""
    bots: int = 20
    """How many bots a user has at most."""
    limit_bot: str = "20/300"
    """Bots and tokens of bots made by one user."""
    limit_avatar: str = "50/12"
    """Pictures set by one user."""

    def signing_key_pem(self) -> bytes:
        """Returns the signing key; raises ValueError when there is none."""
        if key := self.signing_key.get_secret_value():
            return key.encode()
        if self.signing_key_file:
            return self.signing_key_file.read_bytes()
        raise ValueError(
            "set HONGYAN_SIGNING_KEY_FILE to a PEM file with an Ed25519 private key "
            "(openssl genpkey -algorithm ed25519)"
        )
