"""Writes the REST table in docs/protocol.md from the annotations of the contract."""

import sys
from collections.abc import Iterator
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from services.common.contract import ACCESS, FILES, NOT_ROUTED

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "protocol.md"
BEGIN, END = "<!-- rest -->", "<!-- /rest -->"


def methods() -> Iterator[MethodDescriptor]:
    """Returns the public unary rpcs, in the order of the contract."""
    for file in sorted(FILES, key=lambda file: file.name):
        for service in file.services_by_name.values():
            for method in service.methods:
                access = ACCESS[f"/{service.full_name}/{method.name}"]
                if not method.client_streaming and access not in NOT_ROUTED:
                    yield method


def table() -> str:
    """Returns the table: a line for each rpc."""
    lines = ["| rpc | method | path |", "|---|---|---|"]
    for method in methods():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        service = method.containing_service.full_name.removeprefix("hongyan.")
        lines.append(f"| {service}/{method.name} | {verb.upper()} | `{getattr(rule, verb)}` |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """Returns a page with the table of today between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: written\n")
