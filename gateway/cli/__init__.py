"""The command line, one command per file.

Commands import what they run with when they run: `--help` and `keygen` need no server, and wait
for none.
"""

from gateway.cli.commands import cli, run

__all__ = ["cli", "run"]
