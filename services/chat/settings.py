"""Chat's settings, read once from HONGYAN_* environment variables."""

from pathlib import Path

from pydantic import SecretStr

from services.common.settings import AdminSettings, DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, AdminSettings):
    """What chat needs to run."""

    address: str = "127.0.0.1:7003"
    ops_address: str = "127.0.0.1:9103"
    verify_target: str = "127.0.0.1:7002"
    """Where verify answers: any gRPC target."""
    commit_size: int = 256
    """How many messages one transaction stores at most."""
    commit_queue: int = 20_000
    """How many messages may wait for a transaction; more are refused with a retry delay."""
    limit_send: str = "60/1"
    """Messages a user may send over REST: bucket/seconds for one more."""
    hot_queue: int = 500
    """How many messages of one conversation may wait; more are refused with a retry delay."""
    recall_seconds: int = 120
    """How long a message may be taken back."""
    edit_seconds: int = 86_400
    """How long a message may be edited."""
    limit_change: str = "60/1"
    """Changes of settings, clears and hidings a user may make: bucket/seconds for one more."""
    limit_search: str = "30/2"
    """Searches of a user: bucket/seconds for one more."""
    limit_group: str = "10/600"
    """Groups a user may make: bucket/seconds for one more."""
    limit_contact_request: str = "20/300"
    """Requests to be friends that a user may send: bucket/seconds for one more."""
    limit_report: str = "20/60"
    """Reports that a user may send: bucket/seconds for one more."""
    limit_code: str = "100/15"
    """Codes and invites that a user may look up: bucket/seconds for one more."""
    contact_request_days: int = 7
    """How long a request to be friends can be answered."""
    group_members: int = 500
    """How many members a group has at most."""
    large_group_members: int = 5_000
    """How many members a large group has at most."""
    chat_crash_point: str = ""
    """For fault tests: before_commit:N or after_commit:N kills chat at its N-th commit."""
    push_delay_seconds: float = 2.0
    """How long after a message those are told who have not received it by then."""
    push_webhook_url: str = ""
    """Where notifications for tokens of push services are posted; empty: nowhere."""
    push_webhook_secret: SecretStr = SecretStr("")
    """What signs them: 16 characters or more, shared with the receiver."""
    web_push_key_file: Path | None = None
    """A P-256 private key in PEM, which signs Web Push; none: no Web Push."""
    web_push_subject: str = "mailto:hongyan@localhost"
    """Where push services reach the operator: mailto: or https://."""
    push_private_addresses: bool = False
    """Whether Web Push and bots' webhooks may go to private addresses, and by http: for trying
    bots on one's own machine."""
