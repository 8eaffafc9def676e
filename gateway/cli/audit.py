"""The commands about the audit trail: audit verify · find."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from gateway.cli.options import Commands, colour, shown
from gateway.errors import ConfigError, GatewayError
from gateway.uuids import parse_uuid

if TYPE_CHECKING:
    from gateway.audit import Finding, Line, Verified

audit_cli = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None)

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE…",
        help="Files of the trail, in any order, those of log rotation included; without any, "
        "GATEWAY_AUDIT_FILE.",
    ),
]
Heads = Annotated[
    list[str] | None,
    typer.Option(
        "--head",
        metavar="CHAIN:SEQ:MAC",
        help="Where a chain stood, by a log line audit_head; may be repeated.",
    ),
]


def _id_option(what: str) -> Any:
    return typer.Option(parser=parse_uuid, metavar="ID", help=f"Calls {what}.")


@audit_cli.callback()
def audit() -> None:
    """The audit trail of modifying calls (GATEWAY_AUDIT_FILE, GATEWAY_AUDIT_KEY)."""


@audit_cli.command()
def verify(files: Files = None, *, head: Heads = None) -> None:
    """Find lines that were changed, are missing, or stand elsewhere; exit code 1 where any was.

    That the last lines of a chain were cut off shows only with a --head from the log.
    """
    found = _verified(files, head or [])
    for finding in found.findings:
        typer.secho(_words(finding), fg="red", color=colour())
    for end in found.heads:
        typer.echo(f"Chain {end.chain} ends with line {end.seq}: {end}")
    if found.findings:
        raise typer.Exit(1)
    typer.echo(f"All {len(found.lines)} lines are as they were written.")


@audit_cli.command()
def find(
    files: Files = None,
    *,
    card: Annotated[UUID | None, _id_option("that made this card, or were about it")] = None,
    account: Annotated[UUID | None, _id_option("that were to make a card of it")] = None,
    key: Annotated[UUID | None, _id_option("with this key, as the provider got it")] = None,
    request: Annotated[
        str | None, typer.Option(metavar="ID", help="Calls of the request with this id.")
    ] = None,
) -> None:
    """Show who had something done, when, and in which request; exit code 1 where nothing is found.

    What was begun and never ended is shown as well. The lines are verified first.
    """
    wanted = {"card": card, "account": account, "key": key, "request_id": request}
    given = {name: str(value) for name, value in wanted.items() if value is not None}
    if not given:
        raise ConfigError(["Give at least one of --card, --account, --key and --request."])
    found = _verified(files, [])
    calls = [call for call in _calls(found.lines) if given.items() <= _facts_of(call).items()]
    for call in calls:
        typer.echo("\n".join(_shown_call(call)))
    for finding in found.findings:
        typer.secho(_words(finding), fg="red", err=True, color=colour())
    if not calls:
        raise GatewayError("The trail has no such call.")


def _verified(files: list[Path] | None, heads: Sequence[str]) -> "Verified":
    from gateway.audit import Head, verified

    paths, key = _given(files)
    try:
        known = [Head.parse(head) for head in heads]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--head") from None
    try:
        return verified(paths, key, known)
    except OSError as error:
        raise _unreadable(error) from error


def _given(files: list[Path] | None) -> tuple[list[Path], bytes]:
    """The files, and the key that their lines are chained with."""
    from gateway.config import AuditSettings, Settings

    settings = AuditSettings.load(beside=Settings.model_fields)
    key = settings.audit_key.get_secret_value().encode()
    paths = files or [path for path in [settings.audit_file] if path is not None]
    problems = [] if key else ["GATEWAY_AUDIT_KEY: is not set"]
    problems += [] if paths else ["Name a FILE, or set GATEWAY_AUDIT_FILE."]
    if problems:
        raise ConfigError(problems)
    return paths, key


def _unreadable(error: OSError) -> ConfigError:
    from gateway.config import file_reason

    return ConfigError(
        [f"{shown(Path(error.filename or ''))} cannot be read: {file_reason(error)}"]
    )


def _words(finding: "Finding") -> str:
    if finding.file is None:
        return f"{finding.problem[:1].upper()}{finding.problem[1:]}."
    return f"{shown(finding.file)} line {finding.line}: {finding.problem}."


def _calls(lines: "Iterable[Line]") -> list[list[dict[str, Any]]]:
    """The lines of each call, in their order; the oldest call first."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        facts = line.facts
        calls.setdefault(str(facts.get("call")), []).append(facts)
    for call in calls.values():
        call.sort(key=lambda facts: (str(facts.get("time")), facts.get("seq", 0)))
    return sorted(calls.values(), key=lambda call: str(call[0].get("time")))


def _facts_of(call: list[dict[str, Any]]) -> dict[str, Any]:
    """What is known of a call: its last line has the most."""
    return {name: value for facts in call for name, value in facts.items() if value is not None}


_SHOWN = ("caller", "account", "card", "authorisation", "key", "request_id", "version", "process")


def _shown_call(call: list[dict[str, Any]]) -> Iterator[str]:
    facts = _facts_of(call)
    ends = [one.get("time") for one in call if one.get("event") == "ended"]
    replayed = ", replayed" if facts.get("replayed") else ""
    outcome = f"{facts.get('outcome')}{replayed}" if ends else "no end is known"
    yield f"{call[0].get('time')}  {facts.get('operation')}  {outcome}"
    for name in _SHOWN:
        if name in facts:
            yield f"    {name.replace('_', ' '):<16}{facts[name]}"
    if ends:
        yield f"    {'ended':<16}{ends[-1]}"
