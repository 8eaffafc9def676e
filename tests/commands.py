"""Running a command line in this process."""

from collections.abc import Callable
from typing import TypeAlias

Command: TypeAlias = Callable[..., tuple[int, str]]
"""From arguments to the exit code and what was printed on both streams."""
