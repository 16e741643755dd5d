"""chat.v1.ReportService: protobuf in, protobuf out, nothing decided here."""

from typing import Any

from hongyan.chat.v1 import report_pb2, report_pb2_grpc

from services.chat.reports import Reports
from services.common.identity import caller
from services.common.limits import LocalLimit


class ReportService(report_pb2_grpc.ReportServiceServicer):
    """What users tell the moderators."""

    def __init__(self, reports: Reports, limit: LocalLimit) -> None:
        self._reports = reports
        self._limit = limit

    async def Report(self, request: report_pb2.ReportRequest, context: Any) -> Any:
        reporter_id = caller().user_id
        self._limit.take(reporter_id)
        if request.WhichOneof("target") == "user_id":
            id = await self._reports.report_user(
                reporter_id, request.user_id, request.category, request.text
            )
        else:
            target = request.message
            id = await self._reports.report_message(
                reporter_id, target.conversation_id, target.seq, request.category, request.text
            )
        return report_pb2.ReportResponse(report_id=id)


def category_name(category: int) -> str:
    """Returns the word for a category: a label of metrics."""
    name = report_pb2.ReportCategory.Name(report_pb2.ReportCategory.ValueType(category))
    return name.removeprefix("REPORT_CATEGORY_").lower()
