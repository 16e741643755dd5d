"""The bench's tables: each figure beside what is asked of it, and where the CPU goes."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """What docs/performance.md asks of a figure; `at_least` turns the comparison round."""

    must: float
    goal: float
    at_least: bool = False

    def met(self, value: float) -> str:
        """Says which of the two a value meets."""

        def reaches(bound: float) -> bool:
            return value >= bound if self.at_least else value <= bound

        return "goal" if reaches(self.goal) else "must" if reaches(self.must) else "missed"


# Against ejabberd with MariaDB on the machine on which the goals were set; see docs/performance.md.
GOALS = {
    "closed-16 cpu_seconds_per_1000": Goal(0.285, 0.086),
    "closed-1 cpu_seconds_per_1000": Goal(0.59, 0.295),
    "open-200 cpu_seconds_per_1000": Goal(2.03, 1.25),
    "room-200-w1 cpu_us_per_delivery": Goal(66, 35.2),
    "room-200-w4 cpu_us_per_delivery": Goal(28.8, 14.4),
    "closed-16 messages_per_second": Goal(5715, 15240, at_least=True),
    "open-200 receive_p99_ms": Goal(25, 10),
    "idle kb_per_session": Goal(90, 50),
    "history pages_per_second": Goal(420, 1050, at_least=True),
    "history page_p50_ms": Goal(3, 3),
    "cold-start seconds": Goal(10, 4),
}
# What nothing is asked of, but which says what the others mean.
BESIDE = (
    "open-200-receipts cpu_seconds_per_1000",
    "room-2000 cpu_ms_per_message",
    "room-2000 ack_p99_ms",
    "open-200 receive_p50_ms",
    "open-200 ack_p50_ms",
    "open-200 ack_p99_ms",
    "idle kb_per_session_of_500",
    "idle kb_per_session_of_2000",
    "growth-conversations ratio",
    "growth-messages ratio",
    "growth-sessions ratio",
    "closed-1 messages_per_second",
    "history page_p99_ms",
)

Results = dict[str, dict[str, Any]]


def show(results: Results) -> None:
    """Prints the figures of each kind of stores, and the CPU of each part."""
    console = Console(width=110)
    console.print(_figures(results))
    console.print("idle sessions: tokens that the bench signed with the installation's key.")
    for stores, result in results.items():
        loads = {name: one for name, one in result.items() if "cpu_seconds_per_1000" in one}
        if loads:
            console.print(_parts(stores, loads))


def _figures(results: Results) -> Table:
    table = Table(title="Hongyan: figures of this machine", title_justify="left")
    for column in ("figure", *results, "must", "goal"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for key in (*GOALS, *BESIDE):
        scenario, figure = key.split()
        values = [result.get(scenario, {}).get(figure) for result in results.values()]
        if all(value is None for value in values):
            continue
        if goal := GOALS.get(key):
            sign = "≥" if goal.at_least else "≤"
            bounds = (f"{sign} {goal.must:g}", f"{sign} {goal.goal:g}")
            cells = ["–" if one is None else f"{one:,.3g} {goal.met(one)}" for one in values]
        else:
            bounds = ("", "")
            cells = ["–" if one is None else f"{one:,.3g}" for one in values]
        table.add_row(key, *cells, *bounds, end_section=key == list(GOALS)[-1])
    return table


def _parts(stores: str, loads: Results) -> Table:
    table = Table(title=f"CPU seconds per 1,000 delivered, {stores}", title_justify="left")
    table.add_column("part")
    for name in loads:
        table.add_column(name, justify="right")
    for part in next(iter(loads.values()))["cpu_seconds_per_1000_by_part"]:
        shares = [one["cpu_seconds_per_1000_by_part"][part] for one in loads.values()]
        table.add_row(part, *(f"{share:.3f}" for share in shares))
    totals = [one["cpu_seconds_per_1000"] for one in loads.values()]
    table.add_row("all servers", *(f"{one:.3f}" for one in totals), style="bold", end_section=True)
    clients = [one["client_cpu_seconds_per_1000"] for one in loads.values()]
    table.add_row("the load itself, apart", *(f"{one:.3f}" for one in clients))
    return table
