"""The entry point: ``gateway``, and ``python -m gateway``."""

import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # Nothing of what is imported is garbage: looking for some takes a tenth of the start.
    gc.disable()
    try:
        from gateway.cli import run

        gc.freeze()
        gc.enable()
        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
