"""Reading files, with a reason in a few words where that fails: never a path, never a content."""

import stat
from pathlib import Path

MOST = 1_048_576  # bytes; keys, key sets, settings and schemas are far smaller

_REASONS: tuple[tuple[type[OSError], str], ...] = (
    (FileNotFoundError, "it is not found"),
    (NotADirectoryError, "it is not found"),  # a part of the path is a file
    (PermissionError, "permission denied"),
    (IsADirectoryError, "it is a directory"),
)


class Unreadable(ValueError):
    """A file cannot be read; the message says why."""


def read_bytes(path: Path) -> bytes:
    """The content of a file of at most ``MOST`` bytes; raises Unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(file_reason(error)) from error
    if len(content) > MOST:
        raise Unreadable("it is larger than 1 MiB")
    return content


def read_text(path: Path) -> str:
    """The text of a file of at most ``MOST`` bytes in UTF-8; raises Unreadable."""
    content = read_bytes(path)
    if b"\0" in content:  # UTF-16, or no text at all
        raise Unreadable("it is not text in UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("it is not text in UTF-8") from None


def check_named(path: Path) -> None:
    """Whether the regular file that a setting names can be opened; raises Unreadable."""
    try:
        mode = path.stat().st_mode
        regular = stat.S_ISREG(mode)
        if regular or stat.S_ISDIR(mode):  # to open a pipe may take for ever
            path.open("rb").close()
    except (OSError, ValueError) as error:
        raise _named(path, file_reason(error)) from error
    if not regular:
        raise _named(path, "it is not a regular file")


def read_named(path: Path) -> str:
    """The text of the regular file that a setting names; raises Unreadable."""
    check_named(path)
    try:
        return read_text(path)
    except Unreadable as error:
        raise _named(path, str(error)) from error


def _named(path: Path, why: str) -> Unreadable:
    where = "" if path.is_absolute() else " (a relative path begins at the working directory)"
    return Unreadable(f"names a file that cannot be read: {why}{where}")


def file_reason(error: Exception) -> str:
    """Why a file could not be opened, read or written."""
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or "the path cannot be used").lower()
