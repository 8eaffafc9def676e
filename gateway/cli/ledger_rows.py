"""The commands about one row of the ledger: ledger show · resolve."""

import asyncio
import os
import pwd
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from gateway.cli.options import DefaultFrom
from gateway.errors import ConfigError, GatewayError
from gateway.uuids import parse_uuid

if TYPE_CHECKING:
    from gateway.config import LastingLedgerSettings, ResolveSettings
    from gateway.ledger import Row


def _anyone(attribute: str) -> str:
    from gateway.callers import Caller

    return str(getattr(Caller.anyone(), attribute))


Key = Annotated[
    UUID | None,
    typer.Argument(
        parser=parse_uuid,
        metavar="KEY",
        help="The client's idempotency key, as the result names it.",
    ),
]
CallerId = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_anyone, "id"),
        metavar="ID",
        help="Whose key it is: the subject of the access token.",
    ),
]
FieldName = Annotated[
    str, typer.Option(metavar="NAME", help="The mutation that the key was sent with.")
]
RowKey = Annotated[
    UUID | None,
    typer.Option(
        parser=parse_uuid, metavar="UUID", help="The row's own key, in place of the client's."
    ),
]
CardId = Annotated[
    UUID | None,
    typer.Option(
        parser=parse_uuid, metavar="ID", help="The call made this card; the account has it."
    ),
]
NotExecuted = Annotated[
    bool, typer.Option("--not-executed", help="The call made no card, and will make none.")
]


def show(
    key: Key = None, *, caller: CallerId, field: FieldName = "issueVirtualCard", row: RowKey = None
) -> None:
    """Show the row of an idempotency key; exit code 1 where there is none.

    Rows are kept under a key that is derived from the client's, the caller and the field.
    """
    from gateway.config import LastingLedgerSettings, Settings

    wanted = _row_key(key, caller, field, row)
    settings = LastingLedgerSettings.load(beside=Settings.model_fields)
    for name, value in _texts(asyncio.run(_look(settings, wanted))):
        typer.echo(f"{name:<16}{value}")


async def _look(settings: "LastingLedgerSettings", key: UUID) -> "Row":
    from gateway.ledger import NO_ROW
    from gateway.storage import kept_ledger

    async with kept_ledger(settings) as store:
        found = (await store.look(key)).row
    if found is None:
        raise GatewayError(NO_ROW)
    return found


def resolve(
    key: Key = None,
    *,
    card: CardId = None,
    not_executed: NotExecuted = False,
    caller: CallerId,
    field: FieldName = "issueVirtualCard",
    row: RowKey = None,
) -> None:
    """Decide what came of a call that nobody can find out, such as one with several candidates.

    It is final. A line for the log goes to stderr, with your name. --card needs the settings of
    the provider.
    """
    import structlog

    from gateway.telemetry import configure_logging

    if not_executed == (card is not None):
        raise ConfigError(["Give one of --card and --not-executed."])
    wanted = _row_key(key, caller, field, row)
    settled = _resolved(wanted, card)
    configure_logging("info", readable=False)
    facts = {"row": str(wanted), "state": settled.state, "card": card and str(card)}
    structlog.get_logger().info("ledger_resolved", **facts, user=_user())
    outcome = f"done, with the card {card}" if card else "not executed"
    typer.echo(f"The row {wanted} is {outcome}.")


def _resolved(key: UUID, card: UUID | None) -> "Row":
    from gateway.config import LastingLedgerSettings, ResolveSettings, Settings

    if card is None:
        settings = LastingLedgerSettings.load(beside=Settings.model_fields)
        return asyncio.run(_dismiss(settings, key))
    return asyncio.run(_choose(ResolveSettings.load(beside=Settings.model_fields), key, card))


async def _dismiss(settings: "LastingLedgerSettings", key: UUID) -> "Row":
    from gateway.ledger import Decisions
    from gateway.storage import kept_ledger

    async with kept_ledger(settings) as store:
        return await Decisions(store, key).dismiss()


async def _choose(settings: "ResolveSettings", key: UUID, card: UUID) -> "Row":
    from gateway.ledger import Decisions
    from gateway.storage import kept_ledger

    async with kept_ledger(settings) as store:
        decisions = Decisions(store, key)
        if card not in await _virtual_cards(settings, await decisions.account()):
            raise GatewayError("--card: is no virtual card of the row's account at the provider.")
        return await decisions.choose(card)


async def _virtual_cards(settings: "ResolveSettings", account: UUID) -> set[UUID]:
    """Those of the account, as for candidates."""
    from gateway.events import to_nobody
    from gateway.provider import ProviderClient
    from gateway.provider.transport import transport_to
    from gateway.runtime import Runtime

    network = transport_to(settings.provider_url, ca_file=settings.provider_ca_file)
    provider = ProviderClient(settings, network, Runtime(), emit=to_nobody)
    try:
        cards = await provider.cards_of(account)
    finally:
        await provider.aclose()
    return {card.id for card in cards if card.may_be_virtual}


def _row_key(key: UUID | None, caller: str, field: str, row: UUID | None) -> UUID:
    """The key that the row is kept under."""
    from gateway.cards import OPERATIONS
    from gateway.config import one_of
    from gateway.ledger import provider_key

    if (key is None) == (row is None):
        raise ConfigError(["Give one of KEY and --row."])
    if key is None:
        assert row is not None  # noqa: S101 (one of the two is there)
        return row
    known = [one.name for one in OPERATIONS if one.kind == "mutation"]
    if field not in known:
        raise typer.BadParameter(f"must be {one_of(known)}", param_hint="--field")
    return provider_key(caller, f"Mutation.{field}", key)


_DATES = {"first_send", "lease_until", "expires"}
_MARKS = {"indeterminate", "uncertain", "in_flight_seen"}


def _texts(row: "Row") -> Iterator[tuple[str, str]]:
    """Names and values of a row's fields. None is a secret: ids, times, marks and an HMAC."""
    for name, value in row._asdict().items():
        yield name.replace("_", " "), _text(name, value)


def _text(name: str, value: object) -> str:
    from gateway.ledger import utc_text

    match value:
        case None:
            return "none"
        case float() if name in _DATES:
            return utc_text(value) if value else "none"
        case bytes() if name != "fingerprint":
            return str(UUID(bytes=value))
        case bytes():
            return value.hex()
    return str(value) if name not in _MARKS else ("yes" if value else "no")


def _user() -> str:
    """Who runs the command, as the operating system knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run under ids that have no name
        return str(os.getuid())
