"""chat.v1's SearchService: protobuf in, protobuf out, nothing decided here."""

import base64
import json
import re
from typing import Any

from hongyan.chat.v1 import search_pb2, search_pb2_grpc

from services.chat.search import PAGE, Found, Search
from services.chat.wire import to_message
from services.common.errors import Invalid
from services.common.identity import caller
from services.common.limits import LocalLimit

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SearchService(search_pb2_grpc.SearchServiceServicer):
    """The messages of the caller, by their words."""

    def __init__(self, search: Search, limit: LocalLimit) -> None:
        self._search = search
        self._limit = limit

    async def Search(self, request: search_pb2.SearchRequest, context: Any) -> Any:
        self._limit.take(caller().user_id)
        page = await self._search.search(
            caller().user_id,
            request.query,
            request.conversation_id,
            _read_token(request.page_token),
            request.page_size or PAGE,
        )
        return search_pb2.SearchResponse(
            messages=[to_message(message) for message in page.messages],
            next_page_token=_write_token(page.following) if page.following else "",
            indexing=page.indexing,
        )


def _write_token(place: Found) -> str:
    text = json.dumps([place.created_at, place.conversation_id, place.seq])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str) -> Found | None:
    if not token:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, RecursionError):
        content = None
    match content:
        # Anybody can write one: it must be what the database can compare with.
        case [int(created_at), str(id), int(seq)] if (
            0 <= created_at < 2**63 and ID.fullmatch(id) and 0 <= seq < 2**63
        ):
            return Found(created_at, id, seq)
    raise Invalid(
        "INVALID_FIELD", "page_token is not one of ours", fields={"page_token": "unknown"}
    )
