"""The store of the ledger, as the settings name it: in memory, in a file or in a database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.config import LedgerSettings, default_ledger, file_reason
from gateway.errors import ConfigError, LedgerUnavailable
from gateway.events import Sink
from gateway.ledger import (
    DAY,
    Engine,
    MemoryEngine,
    SqliteEngine,
    Store,
    TimedEngine,
    Windows,
    filesystem_of,
    is_remote,
    is_volatile,
    steady,
)
from gateway.runtime import Runtime

_FILE = "sqlite:"
_PATIENCE = 60.0  # seconds: nobody's request waits for a command, and gateways may be writing


def ledger_store(
    settings: LedgerSettings,
    runtime: Runtime,
    *,
    lease: float = 35.0,
    engine: Engine | None = None,
    emit: Sink | None = None,
) -> Store:
    """The store that the settings name.

    In memory its clock never goes back. In a file it is the wall clock, which all processes have in
    common: where that is set, the provider's shows it, and nothing is sent until they agree again.
    ``lease`` is how long a claim is good for, and must outlast a call. ``engine`` stands in for the
    one of the settings, as one whose rows outlive the process. ``emit`` is told how long each step
    takes.
    """
    in_memory = settings.ledger.get_secret_value() == "memory" and engine is None
    engine = engine or _engine(settings, runtime)
    if emit is not None:
        engine = TimedEngine(engine, emit)
    windows = Windows(
        send=settings.send_window,
        key_life=settings.provider_key_life,
        lease=lease,
        uncertain_for=0.0 if in_memory else DAY,
    )
    size = settings.max_idempotency_records if in_memory else None
    return Store(
        engine,
        windows,
        is_complete=not in_memory,
        size=size,
        account_limit=settings.issue_limit_per_account,
    )


def _engine(settings: LedgerSettings, runtime: Runtime) -> Engine:
    where, path = settings.ledger.get_secret_value(), ledger_file(settings)
    if where == "memory":
        return MemoryEngine(steady(runtime))
    return SqliteEngine(path, runtime.now) if path is not None else _on_postgres(where)


def _on_postgres(url: str) -> Engine:
    """The store's clock is then the server's."""
    try:
        from gateway.ledger.postgres import PostgresEngine
    except ImportError as error:
        reason = "the driver for PostgreSQL is not installed: pip install 'card-gateway[postgres]'"
        raise ConfigError([f"GATEWAY_LEDGER: {reason}"]) from error
    return PostgresEngine(url)


def ledger_file(settings: LedgerSettings) -> Path | None:
    """Where the ledger is, if it is a file."""
    where = settings.ledger.get_secret_value()
    return Path(where.removeprefix(_FILE)).expanduser() if where.startswith(_FILE) else None


def ledger_name(settings: LedgerSettings) -> str:
    """Where the ledger is; of what is no file, only the kind, since a URL may hold credentials."""
    path = ledger_file(settings)
    return settings.ledger.get_secret_value().partition(":")[0] if path is None else str(path)


@asynccontextmanager
async def kept_ledger(settings: LedgerSettings, *, create: bool = False) -> AsyncIterator[Store]:
    """The ledger of the settings, open for the block, beside the gateways that use it.

    Where there is none, it is made only with ``create``. Raises ConfigError.
    """
    path = ledger_file(settings)
    if settings.ledger.get_secret_value() == "memory":
        reason = "memory is not kept anywhere; name a file with sqlite:PATH"
        raise ConfigError([f"GATEWAY_LEDGER: {reason}"])
    if path is not None and not create and not path.exists():
        reason = f"{path} is not there; `gateway ledger create` makes it"
        raise ConfigError([f"GATEWAY_LEDGER: {reason}"])
    runtime = Runtime()
    engine = None if path is None else SqliteEngine(path, runtime.now, deadline=_PATIENCE)
    store = ledger_store(settings, runtime, engine=engine)
    await _start(store)
    try:
        yield store
    finally:
        await store.aclose()


async def check_ledger(settings: LedgerSettings) -> list[str]:
    """Open the ledger and close it again, before anything listens; what the operator should know.

    A new one is made here, once for all workers. Raises ConfigError.
    """
    warnings = prepare_place(settings)
    store = ledger_store(settings, Runtime())
    await _start(store)
    await store.aclose()
    return warnings


async def _start(store: Store) -> None:
    try:
        await store.start()
    except LedgerUnavailable as error:
        await store.aclose()
        raise ConfigError([f"GATEWAY_LEDGER: {error.message}"]) from error


def prepare_place(settings: LedgerSettings) -> list[str]:
    """Make the folder of the default file, and say what the operator should know of the place.

    Raises ConfigError.
    """
    path = ledger_file(settings)
    if path is not None and settings.ledger == default_ledger():
        _make_folder(path.parent)
    return _check_place(path) if path is not None else []


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{folder} cannot be made: {file_reason(error)}"
        raise ConfigError(
            [f"GATEWAY_LEDGER: {reason}; name a file with sqlite:PATH, or memory"]
        ) from error


def _check_place(path: Path) -> list[str]:
    """Refuse what cannot keep the promise, and warn of what will not keep it for long."""
    kind = filesystem_of(path)
    if kind is not None and is_remote(kind):
        reason = f"{path} is on a network file system ({kind}); it needs a local one"
        raise ConfigError([f"GATEWAY_LEDGER: {reason}"])
    return ["ledger_is_lost_with_its_container_or_machine"] if kind and is_volatile(kind) else []
