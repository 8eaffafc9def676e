"""python -m tests.attack.attacker NAME PORT SECONDS: one attack, in a process of its own.

The token comes by the environment. A line tells how much was sent, and what came of it.
"""

import asyncio
import json
import os
import resource
import sys
import time

from tests.attack.connections import CONNECTIONS
from tests.attack.requests import REQUESTS
from tests.attack.target import Attack, Target

ATTACKS: dict[str, Attack] = CONNECTIONS | REQUESTS


def main(name: str, port: str, seconds: str) -> None:
    """Attack until the time is over."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    target = Target(int(port), os.environ["TOKEN"], time.monotonic() + float(seconds))
    asyncio.run(_attack(name, target))
    print(json.dumps({"sent": target.sent, "codes": target.codes}))


async def _attack(name: str, target: Target) -> None:
    try:
        async with asyncio.timeout(target.until - time.monotonic() + 0.2):
            await ATTACKS[name](target)
    except TimeoutError:
        return


if __name__ == "__main__":
    main(*sys.argv[1:])
