"""The commands about the ledger as a whole: ledger create · status · purge · upgrade."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.ledger_rows import resolve, show
from gateway.cli.options import Commands, shown

if TYPE_CHECKING:
    from gateway.config import LastingLedgerSettings
    from gateway.ledger import Facts, Store

_PAUSE = 0.02  # seconds in which gateways write: SQLite lets nobody wait in turn

ledger_cli = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None)


@ledger_cli.callback()
def ledger() -> None:
    """The ledger of idempotency keys (GATEWAY_LEDGER).

    Without that setting it is the file that `gateway serve` uses. Gateways may run meanwhile.
    """


@ledger_cli.command()
def create(
    first: Annotated[
        bool,
        typer.Option("--first", help="No earlier ledger was lost: this one is certain at once."),
    ] = False,
) -> None:
    """Make the ledger where there is none."""
    import structlog

    from gateway.storage import prepare_place
    from gateway.telemetry import configure_logging

    settings = _settings()
    configure_logging("warning", readable=True)
    for warning in prepare_place(settings):
        structlog.get_logger().warning(warning)
    asyncio.run(_create(settings, first=first))


async def _create(settings: "LastingLedgerSettings", *, first: bool) -> None:
    from gateway.storage import kept_ledger, ledger_name

    async with kept_ledger(settings, create=True) as store:
        if first:
            await store.trust()
        certainty = _certainty(await store.facts())
        there = "is made" if store.is_new else "is there already"
        kept = "" if store.is_new or first else ", and is left as it is"
        typer.echo(f"{_shown(ledger_name(settings))} {there}{kept}. It is {certainty}.")


@ledger_cli.command()
def status() -> None:
    """Show where the ledger is, since when, and how many rows it has in each state."""
    asyncio.run(_status(_settings()))


async def _status(settings: "LastingLedgerSettings") -> None:
    from gateway.ledger import utc_text
    from gateway.storage import kept_ledger, ledger_file, ledger_name

    async with kept_ledger(settings) as store:
        facts = await store.facts()
        _line("ledger", _shown(ledger_name(settings)))
        if path := ledger_file(settings):
            _line("size", _size(path))
        _line("schema", _schema(facts))
        _line("created", utc_text(facts.created))
        _line("certainty", _certainty(facts))
        await _show_rows(store)


async def _show_rows(store: "Store") -> None:
    from uuid import UUID

    from gateway.ledger import utc_text

    for state, count in (await store.tally()).items():
        _line(state.value.replace("_", " "), str(count))
    oldest = await store.oldest()
    if oldest is None:
        _line("oldest unresolved", "none")
    else:
        words = f"since {utc_text(oldest.first_send)}, row {UUID(bytes=oldest.key)}"
        _line("oldest unresolved", words)


@ledger_cli.command()
def purge() -> None:
    """Delete the rows that are over, as the gateways do while they run.

    The clock of this machine decides which ones are.
    """
    deleted = asyncio.run(_purge(_settings()))
    typer.echo(f"Deleted rows that were over: {deleted}.")


async def _purge(settings: "LastingLedgerSettings") -> int:
    from gateway.storage import kept_ledger

    deleted = 0
    async with kept_ledger(settings) as store:
        while some := await store.purge():
            deleted += some
            _progress(f"{deleted} rows …")
            await asyncio.sleep(_PAUSE)
    _progress("")
    return deleted


def _progress(words: str) -> None:
    """Replace the line on a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"\r{words:<20}\r", nl=False, err=True)


@ledger_cli.command()
def upgrade() -> None:
    """Bring the ledger to the version of this gateway's schema."""
    asyncio.run(_upgrade(_settings()))


async def _upgrade(settings: "LastingLedgerSettings") -> None:
    from gateway.storage import kept_ledger, ledger_name

    async with kept_ledger(settings) as store:
        version = (await store.facts()).schema_version
    typer.echo(f"{_shown(ledger_name(settings))} is at version {version} already.")


ledger_cli.command()(show)
ledger_cli.command()(resolve)


def _settings() -> "LastingLedgerSettings":
    from gateway.config import LastingLedgerSettings, Settings

    return LastingLedgerSettings.load(beside=Settings.model_fields)


def _shown(name: str) -> str:
    return shown(Path(name))


def _line(name: str, value: str) -> None:
    typer.echo(f"{name:<20}{value}")


def _size(path: Path) -> str:
    """Of the file, and of what is not yet taken into it from its log."""
    log = path.with_name(f"{path.name}-wal")
    return f"{path.stat().st_size} bytes, and {log.stat().st_size} in its log"


def _schema(facts: "Facts") -> str:
    return f"version {facts.schema_version}, for gateways from version {facts.minimum_reader} on"


def _certainty(facts: "Facts") -> str:
    from gateway.ledger import NEVER, utc_text

    if facts.is_certain:
        return "certain"
    if facts.certain_from >= NEVER:
        return "uncertain for good, since rows of it were lost"
    return f"uncertain until {utc_text(facts.certain_from)}"
