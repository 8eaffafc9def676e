"""A real `gateway serve` in front of a real `gateway emulator`, over sockets."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.config import Settings
from gateway.signing import PrivateKey
from tests.ledger_files import make_ledger
from tests.processes import Process, started
from tests.provider_client import client_of
from tests.stack import LIMITS
from tests.waiting import PATIENCE

URL = r"http://[\d.]+:\d+"


@dataclass(frozen=True)
class Pair:
    """Both processes and where they are; ``environment`` starts another gateway like this one."""

    gateway: Process
    emulator: Process
    url: str
    emulator_url: str
    environment: dict[str, str]


@contextlib.asynccontextmanager
async def pair(
    folder: Path, *emulator_options: str, faults: dict[str, Any] | None = None, **settings: str
) -> AsyncIterator[Pair]:
    """Run both; ``settings`` are further GATEWAY_ variables of the gateway, without the prefix."""
    with started("emulator", "--port", "0", *emulator_options) as emulator:
        emulator.wait_for("register-key")
        environment = await registered("".join(emulator.lines), folder)
        environment |= {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
        with started("serve", **environment) as gateway:
            url = gateway.wait_for(URL)[0]
            emulator_url = environment["GATEWAY_PROVIDER_URL"].removesuffix("/v1")
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                answer = await client.put(f"{emulator_url}/_emulator/faults", json=faults or {})
                assert answer.status_code == 200
            yield Pair(gateway, emulator, url, emulator_url, environment)


@contextlib.contextmanager
def serving(folder: Path, *emulator_options: str, **settings: str) -> Iterator[Pair]:
    """Run both for a test that is not asynchronous, or for several of them."""
    with asyncio.Runner() as runner:
        both = pair(folder, *emulator_options, faults=None, **settings)
        try:
            yield runner.run(both.__aenter__())
        finally:
            runner.run(both.__aexit__(None, None, None))


async def registered(printed: str, folder: Path) -> dict[str, str]:
    """The settings that the emulator printed, with a key made and registered there."""
    environment = dict(re.findall(r"export (\w+)=(\S+)", printed))
    key, file = PrivateKey.generate(), folder / "key.pem"
    file.write_bytes(key.to_pem())
    environment["GATEWAY_SIGNING_KEY_FILE"] = str(file)
    environment["GATEWAY_SIGNING_KEY_ID"] = str(uuid.uuid4())
    given = {name.removeprefix("GATEWAY_").lower(): value for name, value in environment.items()}
    provider = client_of(Settings.of(**(LIMITS | given)))
    await provider.register_signing_key(key.public_key())
    await provider.aclose()
    limits = {f"GATEWAY_{name.upper()}": str(seconds) for name, seconds in LIMITS.items()}
    own = {"GATEWAY_PORT": "0", "GATEWAY_AUTH": "none", "cwd": str(folder)}
    own["GATEWAY_LEDGER"] = await make_ledger(folder / "ledger.db")
    return environment | limits | own
