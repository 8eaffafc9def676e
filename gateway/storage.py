"""The store of the ledger, as the settings name it: in memory, in a file or in a database."""

from pathlib import Path

from gateway.config import LedgerSettings, default_ledger, file_reason
from gateway.errors import ConfigError, LedgerUnavailable
from gateway.ledger import (
    DAY,
    Engine,
    MemoryEngine,
    SqliteEngine,
    Store,
    Windows,
    filesystem_of,
    is_remote,
    is_volatile,
    steady,
)
from gateway.runtime import Runtime

_FILE = "sqlite:"


def ledger_store(
    settings: LedgerSettings,
    runtime: Runtime,
    *,
    lease: float = 35.0,
    engine: Engine | None = None,
) -> Store:
    """The store that the settings name.

    In memory its clock never goes back. In a file it is the wall clock, which all processes have in
    common: where that is set, the provider's shows it, and nothing is sent until they agree again.
    ``lease`` is how long a claim is good for, and must outlast a call. ``engine`` stands in for the
    one of the settings, as one whose rows outlive the process.
    """
    in_memory = settings.ledger.get_secret_value() == "memory" and engine is None
    engine = engine or _engine(settings, runtime)
    windows = Windows(
        send=settings.send_window,
        key_life=settings.provider_key_life,
        lease=lease,
        uncertain_for=0.0 if in_memory else DAY,
    )
    size = settings.max_idempotency_records if in_memory else None
    return Store(engine, windows, is_complete=not in_memory, size=size)


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


async def check_ledger(settings: LedgerSettings) -> list[str]:
    """Open the ledger and close it again, before anything listens; what the operator should know.

    A new one is made here, once for all workers. Raises ConfigError.
    """
    path = ledger_file(settings)
    if path is not None and settings.ledger == default_ledger():
        _make_folder(path.parent)
    warnings = _check_place(path) if path is not None else []
    store = ledger_store(settings, Runtime())
    try:
        await store.start()
    except LedgerUnavailable as error:
        raise ConfigError([f"GATEWAY_LEDGER: {error.message}"]) from error
    await store.aclose()
    return warnings


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
