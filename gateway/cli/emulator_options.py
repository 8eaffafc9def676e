"""The options of `gateway emulator` as the command line shows them, and the command's help.

They arrive as text: ``gateway.emulator.command_line`` checks them, each under its own name.
"""

import dataclasses
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from gateway.cli.options import DefaultFrom


def emulator_default(name: str) -> Any:
    """What an option of the emulator is where nothing chooses it."""
    from gateway.emulator import EmulatorOptions

    [default] = [one.default for one in dataclasses.fields(EmulatorOptions) if one.name == name]
    return default


def _as_typed(name: str) -> str:
    """The same as somebody would type it."""
    default = emulator_default(name)
    return default if isinstance(default, str) else f"{default:g}"


Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to bind to.")]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A host name that is answered beside the loopback names and ADDRESS; may be repeated.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(metavar="UUID", help="API key that is accepted; without it one is made up."),
]
ApiSecret = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="API secret that is accepted; without it one is made up."),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="UUID",
        help="An account that exists; may be repeated. Without it the guide's account does.",
    ),
]
AnyAccount = Annotated[
    bool, typer.Option("--any-account", help="Every UUID is an account that exists.")
]
OneCard = Annotated[
    bool,
    typer.Option(
        "--one-card-per-account", help="An account holds one card, as the provider documents."
    ),
]
SecondCard = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "second_card"),
        metavar="409|400|issue_failed",
        help="What a card beyond that limit gets: a status, or a 201 and a card that fails later.",
    ),
]
InactiveAccount = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "inactive_account"),
        metavar="404|409|issue_failed",
        help="What a card gets on an account that is not active: a status, or a 201 and a card "
        "that fails later.",
    ),
]
ActivationDelay = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "activation_delay"),
        metavar="SECONDS",
        help="From the simulator's 202 until the card is active or has failed.",
    ),
]
CaptureDelay = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "capture_delay"),
        metavar="SECONDS",
        help="From a capture or release until it is done, and until its transaction is processed.",
    ),
]
TokenLifetime = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "token_lifetime"),
        metavar="SECONDS",
        help="How long an access token lives.",
    ),
]
Latency = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "latency"),
        metavar="SECONDS",
        help="How long each call is worked on.",
    ),
]
SparseCards = Annotated[
    bool,
    typer.Option(
        "--sparse-cards",
        help="Reads of issued cards leave out name, network, masked PAN and expiry.",
    ),
]
BadSignatureStatus = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "bad_signature_status"),
        metavar="400|401",
        help="Status for a bad signature or content digest.",
    ),
]
MaxSignatureAge = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="How old a signature may be, whatever its expires; without it there is no limit.",
    ),
]
ReusedKeyStatus = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "reused_key_status"),
        metavar="422|409",
        help="Status for an idempotency key that comes with another payload.",
    ),
]
ErrorBody = Annotated[
    str,
    typer.Option(
        default_factory=DefaultFrom(_as_typed, "error_body"),
        metavar="json|text",
        help="Form of the error bodies.",
    ),
]
FaultsJson = Annotated[
    str, typer.Option(metavar="JSON", help="What goes wrong: an object of the faults below.")
]


class EmulatorHelp(TyperCommand):
    """Plain help, in which no option's name is cut off, with the faults below the options."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without a table, whose columns are too narrow at 80."""
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each fault: its name, meaning, value and default."""
        from gateway.emulator.fault_texts import EXAMPLE, describe_faults

        rows = [
            (fault.name, f"{fault.meaning} Takes {fault.value}.  [default: {fault.default}]")
            for fault in describe_faults()
        ]
        with formatter.section(f"Faults, as in --faults '{EXAMPLE}'"):
            formatter.write_dl(rows)
