"""What the commands' options have in common: their types, their help, and how one is refused."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_origin

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException


class DefaultFrom:
    """The default of an option that stands elsewhere: it is read when the option is needed.

    typer calls it for the value, and shows its text in the help of the command.
    """

    def __init__(self, read: Callable[[str], Any], name: str) -> None:
        self._read = read
        self._name = name

    def __call__(self) -> Any:
        """The default."""
        return self._read(self._name)

    def __str__(self) -> str:
        return str(self())


def setting_default(name: str) -> Any:
    """What a setting is where nothing sets it."""
    from gateway.config import Settings

    return Settings.model_fields[name].default


def port_option(**default: Any) -> Any:
    """The option for the port that a command listens on."""
    words = "Port to listen on; 0 takes any free one."
    return typer.Option(min=0, max=65535, metavar="PORT", help=words, **default)


class Commands(TyperGroup):
    """A group of commands whose help wraps what each is for, where typer would cut it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of the commands, each with its first sentence."""
        rows = [(name, one.get_short_help_str(limit=400)) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def shown(path: Path) -> str:
    """A path as it may be printed: in one line, in UTF-8."""
    return "".join(one if one.isprintable() else "?" for one in str(path))


def colour() -> bool | None:
    """False where the user wants no colours (no-color.org), else None: terminals have them."""
    return False if os.environ.get("NO_COLOR") else None


def refusal(error: TyperException) -> str:
    """A refused command line in plain words: what is wrong, and in a second line where to look."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if isinstance(error, typer.BadParameter):
        message = _of_option(error) or message
    if context is None or message.startswith("Usage:"):  # help, where a command is missing
        return message
    return f"{message}\nTry '{context.command_path} --help'."


def _of_option(error: typer.BadParameter) -> str | None:
    """``--port: must be …``; None where an option is missing, or none is named."""
    parameter: Any = error.param
    if not error.message or not (parameter or error.param_hint):
        return None
    words = error.message if error.__cause__ is None else _must_be(parameter) or error.message
    name = error.param_hint or _name(parameter)
    return f"{name}: {words.removeprefix('Value error, ').rstrip('.')}."


def _name(parameter: Any) -> str:
    """Of an option the long form, of an argument what the help calls it."""
    is_argument = parameter.param_type_name == "argument"
    return str(parameter.metavar if is_argument else max(parameter.opts, key=len))


def _must_be(parameter: Any) -> str | None:
    """What typer checks: its own message is that of a library, and may hold the value.

    None where the words are those of a parser of ours.
    """
    from gateway.config import expected

    kind, info = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
    if info.parser is not None:
        return None
    element = get_args(kind)[0] if get_origin(kind) is list else kind
    return f"must be {expected(element, [SimpleNamespace(ge=info.min, le=info.max)])}"
