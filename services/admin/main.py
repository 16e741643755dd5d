"""The command `hongyan-admin`: its options and commands, and how a refusal ends it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.admin import commands
from services.admin.calls import Refused
from services.admin.settings import NotFoundHere, Settings

EPILOG = """where to call and with which key, in this order:
  --verify, --chat, --key-file
  HONGYAN_VERIFY_TARGET, HONGYAN_CHAT_TARGET, HONGYAN_ADMIN_KEY or HONGYAN_ADMIN_KEY_FILE
  what `make run` left in --home (.hongyan, or HONGYAN_HOME)

The calls go straight to verify and chat: the gateway does not route them. Every one is written
to the audit, also one that is refused. Times are in UTC. The exit code is 1 when a call is
refused or not answered, 2 when the command line is wrong."""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="hongyan-admin",
        description="Administers an installation of Hongyan: users, reports, messages.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--verify", metavar="HOST:PORT", help="where verify answers")
    top.add_argument("--chat", metavar="HOST:PORT", help="where chat answers")
    top.add_argument("--key-file", type=Path, metavar="FILE", help="the administrator's key")
    top.add_argument("--home", type=Path, metavar="FOLDER", help="the home of a local run")
    top.add_argument("--json", action="store_true", help="print JSON, for scripts")
    words = top.add_subparsers(required=True, metavar="COMMAND")
    _add_users(words)
    _add_reports(words)
    messages = words.add_parser("messages", help="remove messages")
    delete = _command(
        messages.add_subparsers(required=True, metavar="COMMAND"),
        "delete",
        "remove a message for everybody, however old it is",
        commands.delete_message,
    )
    delete.add_argument("conversation_id", metavar="CONVERSATION")
    delete.add_argument("seq", type=int, metavar="SEQ", help="its place in the conversation")
    _add_reason(delete, "why; only the audit has it")
    announce = _command(words, "announce", "tell every user something, once", commands.announce)
    announce.add_argument("text", metavar="TEXT")
    announce.add_argument(
        "--from", dest="sender_id", required=True, metavar="USER", help="in whose name"
    )
    announce.add_argument(
        "--id", default="", help="an own id: the same command again begins nothing new"
    )
    listed = _command(
        words, "announcements", "list announcements and their progress", commands.list_announcements
    )
    _add_limit(listed)
    audit = _command(words, "audit", "list what administrators did", commands.list_audit)
    audit.add_argument("--service", choices=("verify", "chat", "both"), default="both")
    _add_limit(audit)
    key = _command(
        words,
        "new-key",
        "make an administrator's key, show it once, and add its hash to the file",
        commands.new_key,
    )
    key.add_argument("name", metavar="NAME", help="what the audit calls its owner")
    key.add_argument("--keys-file", type=Path, metavar="FILE", help="HONGYAN_ADMIN_KEYS_FILE")
    return top


def _add_users(words: Any) -> None:
    users = words.add_parser("users", help="find, suspend and restore users")
    acts = users.add_subparsers(required=True, metavar="COMMAND")
    find = _command(acts, "find", "find users", commands.find_users)
    find.add_argument(
        "query", metavar="X", help="a whole id, handle or address, or how a name begins"
    )
    _add_limit(find)
    suspend = _command(
        acts, "suspend", "end all sessions of a user and let none begin", commands.suspend
    )
    suspend.add_argument("user_id", metavar="USER")
    _add_reason(suspend, "why; the user reads it at a log-in")
    suspend.add_argument(
        "--until",
        type=commands.read_time,
        metavar="TIME",
        help="+7d, +12h, +30m, or 2026-12-31T18:00; without it until the user is restored",
    )
    restore = _command(acts, "restore", "end a suspension", commands.restore)
    restore.add_argument("user_id", metavar="USER")
    _add_reason(restore, "why")
    end = _command(acts, "end-sessions", "log a user out everywhere", commands.end_sessions)
    end.add_argument("user_id", metavar="USER")
    _add_reason(end, "why")


def _add_reports(words: Any) -> None:
    reports = _command(words, "reports", "list reports, or close one", commands.list_reports)
    reports.add_argument("--all", action="store_true", help="those that are closed too")
    _add_limit(reports)
    close = _command(
        reports.add_subparsers(metavar="COMMAND"), "close", "close a report", commands.close_report
    )
    close.add_argument("report_id", metavar="REPORT")
    close.add_argument("--note", required=True, help="what came of it")


def _command(
    words: Any, name: str, help_text: str, command: commands.Command
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = words.add_parser(name, help=help_text, description=help_text)
    made.set_defaults(command=command)
    return made


def _add_reason(command: argparse.ArgumentParser, help_text: str) -> None:
    command.add_argument("--reason", required=True, help=help_text)


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, default=50, metavar="N", help="how many at most (50)")


def read_settings(given: argparse.Namespace) -> Settings:
    """Returns the settings of the environment, with what the command line says in their place."""
    said: dict[str, Any] = {
        "home": given.home,
        "verify_target": given.verify,
        "chat_target": given.chat,
        "admin_key_file": given.key_file,
        "admin_keys_file": getattr(given, "keys_file", None),
        # A key of the environment is not the one that the command line names.
        "admin_key": SecretStr("") if given.key_file else None,
    }
    return Settings(**{name: value for name, value in said.items() if value is not None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command."""
    given = parser().parse_args(arguments)
    try:
        given.command(given, read_settings(given))
    except (Refused, NotFoundHere, ValueError, OSError) as error:
        sys.exit(f"hongyan-admin: {error}")


if __name__ == "__main__":
    main()
