"""chat.v1.ModerationService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.chat.v1 import moderation_pb2, moderation_pb2_grpc, report_pb2

from services.chat.announcements import Announcement, Announcements
from services.chat.moderation import Moderation
from services.chat.reports import Report, Reports
from services.common import audit
from services.common.identity import admin

PAGE = 50


class ModerationService(moderation_pb2_grpc.ModerationServiceServicer):
    """Reports and messages, for administrators. The interceptor writes the audit around each."""

    def __init__(
        self,
        reports: Reports,
        moderation: Moderation,
        announcements: Announcements,
        entries: audit.Audit,
    ) -> None:
        self._reports = reports
        self._moderation = moderation
        self._announcements = announcements
        self._audit = entries

    async def ListReports(self, request: moderation_pb2.ListReportsRequest, context: Any) -> Any:
        found, following = await self._reports.page(
            request.page_token, request.page_size or PAGE, closed=request.closed
        )
        return moderation_pb2.ListReportsResponse(
            reports=[to_report(report) for report in found], next_page_token=following
        )

    async def CloseReport(self, request: moderation_pb2.CloseReportRequest, context: Any) -> Any:
        closed = await self._reports.close(request.report_id, admin(), request.note)
        return moderation_pb2.CloseReportResponse(report=to_report(closed))

    async def DeleteMessage(
        self, request: moderation_pb2.DeleteMessageRequest, context: Any
    ) -> Any:
        entry = await self._moderation.delete(request.conversation_id, request.seq)
        return moderation_pb2.DeleteMessageResponse(seq=entry.seq)

    async def Announce(
        self, request: moderation_pb2.ModerationServiceAnnounceRequest, context: Any
    ) -> Any:
        begun = await self._announcements.begin(
            request.client_announcement_id, request.sender_id, request.text, admin()
        )
        return moderation_pb2.ModerationServiceAnnounceResponse(announcement=to_announcement(begun))

    async def ListAnnouncements(
        self, request: moderation_pb2.ListAnnouncementsRequest, context: Any
    ) -> Any:
        found, following = await self._announcements.page(
            request.page_token, request.page_size or PAGE
        )
        return moderation_pb2.ListAnnouncementsResponse(
            announcements=[to_announcement(it) for it in found], next_page_token=following
        )

    async def ListAudit(self, request: moderation_pb2.ListAuditRequest, context: Any) -> Any:
        entries, following = await self._audit.page(
            request.page_token, request.page_size or audit.PAGE
        )
        return moderation_pb2.ListAuditResponse(
            entries=audit.to_entries(entries), next_page_token=following
        )


def to_report(report: Report) -> moderation_pb2.Report:
    """Returns a report as moderators see it."""
    target = moderation_pb2.Report(
        report_id=report.id,
        reporter_id=report.reporter_id,
        user_id=report.user_id,
        category=report_pb2.ReportCategory.ValueType(report.category),
        text=report.text,
        closed_by=report.closed_by,
        note=report.note,
    )
    target.created_at.FromMicroseconds(report.created_at)
    if report.closed_at:
        target.closed_at.FromMicroseconds(report.closed_at)
    if it := report.evidence:
        target.evidence.conversation_id = it.conversation_id
        target.evidence.seq = it.seq
        target.evidence.text = it.text
        target.evidence.created_at.FromMicroseconds(it.created_at)
    return target


def to_announcement(announcement: Announcement) -> moderation_pb2.Announcement:
    """Returns an announcement and how far it is."""
    target = moderation_pb2.Announcement(
        announcement_id=announcement.id,
        sender_id=announcement.sender_id,
        text=announcement.text,
        admin=announcement.admin,
        total=announcement.total,
        told=announcement.told,
        refused=announcement.refused,
    )
    target.created_at.FromMicroseconds(announcement.created_at)
    if announcement.finished_at:
        target.finished_at.FromMicroseconds(announcement.finished_at)
    return target
