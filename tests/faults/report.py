"""The report of a round of fault tests: one record for each, one table of all."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.history import Verdict, check, read_log
from tests.faults.invariants import broken
from tests.faults.people import Town

RESULTS = Path(".hongyan") / "faults.json"
COLUMNS = ("faults", "messages", "acked", "lost", "duplicates", "holes", "disorders")
HEADS = ("no", "what", *COLUMNS, "seconds", "verdict")


@dataclass(slots=True)
class Trial:
    """One fault test: what was done to the system, and how it came out."""

    number: str
    what: str
    faults: int = 0
    messages: int = 0
    acked: int = 0
    lost: int = 0
    duplicates: int = 0
    holes: int = 0
    disorders: int = 0
    seconds: float = 0.0
    figures: dict[str, float | int | str] = field(default_factory=dict)
    verdict: str = "failed"

    def judge(self, town: Town) -> None:
        """Holds what everybody did and saw against the database; asserts every promise."""
        verdict = check(self.what, self.faults, town.history, read_log(town.system.database_url))
        self._take(verdict)
        assert verdict.clean, str(verdict)
        assert verdict.acked == verdict.messages > 0, str(verdict)
        assert broken(town) == []

    def _take(self, verdict: Verdict) -> None:
        for name in COLUMNS[1:]:
            setattr(self, name, getattr(verdict, name))

    def row(self) -> tuple[str, ...]:
        """Returns the record as a line of the table."""
        figures = (str(getattr(self, name)) for name in COLUMNS)
        return (self.number, self.what, *figures, f"{self.seconds:.0f}", self.verdict)


TRIALS: list[Trial] = []
"""The records of this round."""


@contextmanager
def trial(number: str, what: str) -> Iterator[Trial]:
    """Keeps the record of one test, also when it fails."""
    record = Trial(number, what)
    TRIALS.append(record)
    began = time.monotonic()
    try:
        yield record
        record.verdict = "kept"
    finally:
        record.seconds = round(time.monotonic() - began, 1)
        print(f"\n{record.number} {record.what}: {record.verdict} {record.figures}")


def table(trials: list[Trial]) -> str:
    """Returns the table of all tests, their own figures below it, and the sums."""
    ordered = sorted(trials, key=lambda one: one.number)
    rows = [HEADS, *(one.row() for one in ordered)]
    sums = [str(sum(getattr(one, name) for one in ordered)) for name in COLUMNS]
    seconds = f"{sum(one.seconds for one in ordered):.0f}"
    kept = sum(one.verdict == "kept" for one in ordered)
    rows.append(("", "all", *sums, seconds, f"{kept} of {len(ordered)} kept"))
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADS))]
    lines = ["  ".join(_fit(row[i], widths[i], i) for i in range(len(HEADS))) for row in rows]
    own = [
        f"{one.number}  {name} = {value}" for one in ordered for name, value in one.figures.items()
    ]
    return "\n".join([*lines, "", *own])


def _fit(text: str, width: int, place: int) -> str:
    return text.rjust(width) if 1 < place < len(HEADS) - 1 else text.ljust(width)


def keep(trials: list[Trial], path: Path = RESULTS) -> None:
    """Writes the records as JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps([asdict(one) for one in trials], ensure_ascii=False, indent=1), encoding="utf-8"
    )
