"""Logs as JSON events, metrics on the operator port, traces over OTLP."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from opentelemetry import trace
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


def configure_logs(service: str, level: str) -> None:
    """Makes every log line one JSON object on standard output."""

    def add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            event["trace_id"] = trace.format_trace_id(context.trace_id)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_trace,
            # Without locals: they hold what people wrote, and tokens.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(
                serializer=lambda event, **_: json.dumps(event, ensure_ascii=False, default=str)
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    # What libraries have to say goes the same way, warnings and worse.
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stdout,
        format='{"level": "%(levelname)s", "logger": "%(name)s", "event": "library.said", '
        f'"service": "{service}"}}',
    )


def configure_traces(service: str, endpoint: str, ratio: float) -> Callable[[], None]:
    """Sends spans to an OTLP endpoint; returns what flushes them at the end."""
    # Imported here: without tracing a service starts a second sooner.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"hongyan-{service}"}),
        sampler=ParentBasedTraceIdRatio(ratio),
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def serve_operators(
    address: str, pages: Mapping[str, Callable[[], tuple[str, bytes]]]
) -> Callable[[], None]:
    """Serves /metrics, and `pages` (path to content type and body), from a thread.

    Returns what stops it. Raises OSError when the address is taken.
    """

    def metrics() -> tuple[str, bytes]:
        return CONTENT_TYPE_LATEST, generate_latest()

    routes = {"/metrics": metrics, **pages}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            route = routes.get(self.path.partition("?")[0])
            content_type, body = route() if route else ("text/plain", b"not found\n")
            self.send_response(200 if route else 404)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not events."""

    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="operators", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
