"""What each command does: one call, or a few pages of it, and what of that is shown."""

import re
import secrets
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hongyan.chat.v1 import moderation_pb2, report_pb2
from hongyan.verify.v1 import account_pb2, admin_pb2

from services.admin.calls import Calls, calling, pages
from services.admin.keys import add_key
from services.admin.output import as_json, moment, table, write
from services.admin.settings import Settings

Command = Callable[[Namespace, Settings], None]
SPAN = re.compile(r"\+(\d+)([dhm])")
UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def read_time(text: str) -> datetime:
    """Reads +7d, +12h, +30m, or a time of ISO 8601, which is in UTC unless it says otherwise."""
    if match := SPAN.fullmatch(text):
        return datetime.now(UTC) + timedelta(**{UNITS[match[2]]: int(match[1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def new_key(given: Namespace, settings: Settings) -> None:
    """Makes a key. It is shown once: the file has only its hash."""
    write(add_key(settings.keys_file(), given.name))


# Users


def find_users(given: Namespace, settings: Settings) -> None:
    """Finds users."""
    with calling(settings) as calls:
        users = pages(
            lambda token, size: calls.verify(
                "FindUsers",
                admin_pb2.AdminServiceFindUsersRequest(
                    query=given.query, page_token=token, page_size=size
                ),
            ),
            "users",
            given.limit,
        )
    _show(given, users, _users)


def suspend(given: Namespace, settings: Settings) -> None:
    """Suspends an account."""
    request = admin_pb2.SuspendUserRequest(user_id=given.user_id, reason=given.reason)
    if given.until:
        request.until.FromDatetime(given.until)
    with calling(settings) as calls:
        _show(given, [calls.verify("SuspendUser", request).user], _users)


def restore(given: Namespace, settings: Settings) -> None:
    """Ends a suspension."""
    request = admin_pb2.RestoreUserRequest(user_id=given.user_id, reason=given.reason)
    with calling(settings) as calls:
        _show(given, [calls.verify("RestoreUser", request).user], _users)


def end_sessions(given: Namespace, settings: Settings) -> None:
    """Ends the sessions of an account."""
    request = admin_pb2.EndSessionsRequest(user_id=given.user_id, reason=given.reason)
    with calling(settings) as calls:
        answer = calls.verify("EndSessions", request)
    write(as_json(answer) if given.json else f"{answer.ended_count} sessions ended")


def _users(users: list[Any]) -> str:
    def state(user: Any) -> str:
        if user.deleted:
            return "deleted"
        if not user.HasField("suspension"):
            return "active"
        until = moment(user.suspension.until)
        return f"suspended until {until}" if until else "suspended"

    return table(
        ("USER", "NAME", "HANDLE", "E-MAIL", "KIND", "SINCE", "SESSIONS", "STATE", "REASON"),
        [
            (
                user.user_id,
                user.display_name,
                user.handle,
                user.email,
                account_pb2.UserKind.Name(user.kind).removeprefix("USER_KIND_").lower(),
                moment(user.created_at),
                str(user.session_count),
                state(user),
                user.suspension.reason,
            )
            for user in users
        ],
    )


# Reports and messages


def list_reports(given: Namespace, settings: Settings) -> None:
    """Lists open reports; with --all those that are closed too."""
    with calling(settings) as calls:
        reports = _reports_of(calls, given.limit, closed=False)
        if given.all:
            reports += _reports_of(calls, given.limit, closed=True)
    reports.sort(key=lambda report: report.report_id, reverse=True)
    _show(given, reports[: given.limit], _reports)


def _reports_of(calls: Calls, limit: int, *, closed: bool) -> list[Any]:
    return pages(
        lambda token, size: calls.chat(
            "ListReports",
            moderation_pb2.ListReportsRequest(closed=closed, page_token=token, page_size=size),
        ),
        "reports",
        limit,
    )


def close_report(given: Namespace, settings: Settings) -> None:
    """Closes a report."""
    request = moderation_pb2.CloseReportRequest(report_id=given.report_id, note=given.note)
    with calling(settings) as calls:
        _show(given, [calls.chat("CloseReport", request).report], _reports)


def _reports(reports: list[Any]) -> str:
    def message(report: Any) -> str:
        it = report.evidence
        return f"{it.conversation_id} {it.seq}" if it.seq else ""

    return table(
        ("REPORT", "CAME", "STATE", "CATEGORY", "BY", "AGAINST", "MESSAGE", "SAID", "TEXT", "NOTE"),
        [
            (
                report.report_id,
                moment(report.created_at),
                f"closed by {report.closed_by}" if report.closed_by else "open",
                report_pb2.ReportCategory.Name(report.category)
                .removeprefix("REPORT_CATEGORY_")
                .lower(),
                report.reporter_id,
                report.user_id,
                message(report),
                report.evidence.text,
                report.text,
                report.note,
            )
            for report in reports
        ],
    )


def delete_message(given: Namespace, settings: Settings) -> None:
    """Removes a message for everybody."""
    request = moderation_pb2.DeleteMessageRequest(
        conversation_id=given.conversation_id, seq=given.seq, reason=given.reason
    )
    with calling(settings) as calls:
        answer = calls.chat("DeleteMessage", request)
    write(as_json(answer) if given.json else f"removed: entry {answer.seq} says so")


# Announcements


def announce(given: Namespace, settings: Settings) -> None:
    """Begins to tell every user something."""
    request = moderation_pb2.ModerationServiceAnnounceRequest(
        text=given.text,
        sender_id=given.sender_id,
        client_announcement_id=given.id or secrets.token_hex(16),
    )
    with calling(settings) as calls:
        _show(given, [calls.chat("Announce", request).announcement], _announcements)


def list_announcements(given: Namespace, settings: Settings) -> None:
    """Lists announcements and how far each is."""
    with calling(settings) as calls:
        found = pages(
            lambda token, size: calls.chat(
                "ListAnnouncements",
                moderation_pb2.ListAnnouncementsRequest(page_token=token, page_size=size),
            ),
            "announcements",
            given.limit,
        )
    _show(given, found, _announcements)


def _announcements(found: list[Any]) -> str:
    return table(
        ("ANNOUNCEMENT", "BEGUN", "BY", "FROM", "TOLD", "REFUSED", "TOTAL", "FINISHED", "TEXT"),
        [
            (
                it.announcement_id,
                moment(it.created_at),
                it.admin,
                it.sender_id,
                str(it.told),
                str(it.refused),
                str(it.total),
                moment(it.finished_at) or "no",
                it.text,
            )
            for it in found
        ],
    )


# The audit


def list_audit(given: Namespace, settings: Settings) -> None:
    """Lists what administrators did, in both services, the newest first."""
    with calling(settings) as calls:
        asked = {
            "verify": (calls.verify, admin_pb2.ListAuditRequest),
            "chat": (calls.chat, moderation_pb2.ListAuditRequest),
        }
        entries = [
            entry
            for service, (call, request) in asked.items()
            if given.service in (service, "both")
            for entry in pages(
                lambda token, size, call=call, request=request: call(  # type: ignore[misc]
                    "ListAudit", request(page_token=token, page_size=size)
                ),
                "entries",
                given.limit,
            )
        ]
    entries.sort(key=lambda entry: (entry.at.ToMicroseconds(), entry.entry_id), reverse=True)
    _show(given, entries[: given.limit], _entries)


def _entries(entries: list[Any]) -> str:
    return table(
        ("AT", "ADMIN", "RPC", "OUTCOME", "REFUSAL", "REASON", "REQUEST"),
        [
            (
                moment(entry.at),
                entry.admin or "?",
                entry.rpc,
                entry.outcome or "unknown",
                entry.refusal,
                entry.reason,
                entry.request,
            )
            for entry in entries
        ],
    )


def _show(given: Namespace, found: list[Any], as_table: Callable[[list[Any]], str]) -> None:
    write(as_json(found) if given.json else as_table(found))
