"""The README's table, from the kept results: ``python -m benchmarks.table`` prints it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import Result, Results
from benchmarks.systems import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"
_SYSTEMS = ("gateway", "naive", "limit", "hive")
_HEAD = "| | this gateway | naive | limit | Hive Gateway |"
# Scenario, figure, and what a reader calls it.
_ROWS = (
    ("a", "rate", "unique cards, per second"),
    ("b", "rate", "one hot card, per second"),
    ("b", "most_per_card", "… most calls in flight for it"),
    ("c", "p50", "50 aliases, provider takes 50 ms, median ms"),
    ("l", "rate", "lists of 50 cards, per second"),
    ("d", "rate", "cards issued, per second"),
    ("e", "p99", "half of its own rate, provider takes 50 ms, p99 ms"),
    ("e500", "p50", "500 callers at once, median ms"),
    ("e500", "slowest", "… slowest ms"),
    ("a", "cpu_per_request", "CPU for a unique card, ms"),
    ("a", "peak_memory", "peak memory, MiB"),
)


def table(found: dict[str, Result]) -> str:
    """The medians of all systems in Markdown, with how often the gateway's rate is theirs."""
    return "\n".join([_HEAD, "|---|--:|--:|--:|--:|", *_rows(found)])


def _rows(found: dict[str, Result]) -> Iterator[str]:
    for scenario, figure, words in _ROWS:
        if result := found.get(scenario):
            cells = (_cell(result, system, figure) for system in _SYSTEMS)
            yield f"| {words} | {' | '.join(cells)} |"


def _cell(result: Result, system: str, figure: str) -> str:
    ours, value = result.median("gateway", figure), result.median(system, figure)
    if value is None:
        return ""
    told = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"
    if figure == "rate" and system != "gateway" and ours and value:
        return f"{told} ({ours / value:.2f}×)"
    return told


def main(path: Path = RESULTS) -> None:
    """Print it."""
    sys.stdout.write(table(Results.load(path).scenarios) + "\n")


if __name__ == "__main__":
    main()
