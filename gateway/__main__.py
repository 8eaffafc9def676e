"""The entry point: ``gateway``, and ``python -m gateway``."""

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # Nothing of what is imported is garbage: looking for some takes a tenth of the start.
    gc.disable()
    _open_what_is_closed()
    try:
        from gateway.cli import run

        gc.freeze()
        gc.enable()
        run()
    except KeyboardInterrupt:
        sys.exit(130)


def _open_what_is_closed() -> None:
    """Stand in for standard streams that were closed from the start.

    Their numbers would be those of the first sockets, and whatever is written to stderr by its
    number would go there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 (as long as the process)
            setattr(sys, name, stream)


if __name__ == "__main__":
    main()
