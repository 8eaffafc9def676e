"""python -m tests.attack: every attack in turn, and what a neighbour notices of it; exit code 1
where it is more than is allowed. All of it stays on this machine."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.attack.attacker import ATTACKS
from tests.attack.scenario import Found, scenario


async def play(names: Sequence[str], seconds: float, console: Console) -> list[Found]:
    """Run the attacks one after the other against one gateway, and say how far it is."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with scenario(Path(folder)) as one:
            for number, name in enumerate(names, start=1):
                found.append(await one.play(name, seconds))
                console.print(f"{number} of {len(names)}: {_line(found[-1])}")
    return found


def _line(one: Found) -> str:
    waits = f"{_ms(one.before.worst)} → {_ms(one.during.worst)} ms"
    faults = f"  [red]{'; '.join(one.faults)}[/red]" if one.faults else ""
    return f"{one.name}: neighbour's worst wait {waits}, {_growth(one)}{faults}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _growth(one: Found) -> str:
    return f"{(one.peak - one.at_rest) / 2**20:+.0f} MiB"


def table(found: Sequence[Found]) -> Table:
    """What each attack did."""
    shown = Table(
        "attack", "sent", "wait before, ms", "during", "memory", "tries", "answers", title="Attacks"
    )
    for one in found:
        codes = ", ".join(f"{code} {number}" for code, number in sorted(one.codes.items()))
        cells = [_ms(one.before.worst), _ms(one.during.worst), _growth(one), str(one.tries), codes]
        style = "red" if one.faults else None
        shown.add_row(one.name, str(one.sent), *cells, style=style)
    return shown


def _chosen(only: str) -> list[str]:
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return [name for name in ATTACKS if not words or any(word in name.lower() for word in words)]


def main() -> int:
    """Attack as the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each attack (default: 3)")
    parser.add_argument("--only", default="", help="attacks with one of these words in their names")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    names = _chosen(given.only)
    if not names:
        parser.error("no attack has such a name")
    console = Console(width=None if sys.stdout.isatty() else 160)
    found = asyncio.run(play(names, given.seconds, console))
    console.print(table(found))
    if given.json:
        given.json.write_text(json.dumps([_figures(one) for one in found], indent=1))
    bad = [one for one in found if one.faults]
    console.print(f"{len(found) - len(bad)} of {len(found)} attacks were borne.")
    return bool(bad)


def _figures(one: Found) -> dict[str, object]:
    return {
        "name": one.name,
        "before": one.before.worst,
        "during": one.during.worst,
        "growth": one.peak - one.at_rest,
        "sent": one.sent,
        "faults": one.faults,
    }


if __name__ == "__main__":
    sys.exit(main())
