"""The emulator, and replicas of the gateway in front of it that share one ledger."""

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from gateway.signing import PrivateKey
from tests.chaos.ledgers import SharedLedger
from tests.chaos.life import STEPS
from tests.chaos.replica import Replica
from tests.emulator_client import encoded_pem
from tests.processes import Process
from tests.waiting import PATIENCE

CALL_DEADLINE = 1
"""Seconds that the gateway spends on one provider call."""
LEASE = CALL_DEADLINE + 5
"""Seconds for which a claim is good."""
_PLAIN: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE}
_UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Without coverage: it would slow them down, and what is killed reports none."""


_FIELDS = ["issueVirtualCard", *{step.move.name for step in STEPS}]


class Servers:
    """All processes but the ledger's; a replica always listens on the same port."""

    def __init__(self, directory: Path, ledger: SharedLedger, faults: Mapping[str, Any]) -> None:
        """Start the emulator; ``directory`` has no ``.env``."""
        self.shared = ledger
        self.replicas: list[Replica] = []
        self._directory = directory
        self._faults = Counter[str]()
        self._stack = ExitStack()
        self._api_key, self._secret = str(uuid4()), uuid4().hex
        self._emulator = Process(
            *("emulator", "--port", "0"),
            *("--api-key", self._api_key, "--api-secret", self._secret),
            *("--faults", json.dumps(faults)),
            **_UNMEASURED,
        )
        self._stack.callback(self._emulator.stop)
        self.provider_url = self._emulator.wait_for(r"PROVIDER_URL=(http://\S+)/v1")[1]

    def start(self, replicas: int, workers: int) -> None:
        """Start so many replicas with so many workers each."""
        environment = self._environment()
        for _ in range(replicas):
            port = _free_port()
            own = environment | {"GATEWAY_PORT": str(port), "GATEWAY_WORKERS": str(workers)}
            replica = Replica(f"http://127.0.0.1:{port}", own)
            self._stack.callback(replica.stop)
            self.replicas.append(replica)
        asyncio.run(self._start_all())

    async def _start_all(self) -> None:
        await asyncio.gather(*[asyncio.to_thread(replica.start) for replica in self.replicas])

    async def renew(self) -> list[int]:
        """End all replicas in order, and only then start them again; the exit codes."""
        codes = await asyncio.gather(*[asyncio.to_thread(one.end) for one in self.replicas])
        await self._start_all()
        return codes

    def set_faults(self, **faults: Any) -> None:
        """What goes wrong at the provider from now on; what went wrong until now still counts."""
        self._faults += Counter(self._told()["faults"])
        url = f"{self.provider_url}/_emulator/faults"
        httpx.put(url, json=faults, **_PLAIN).raise_for_status()

    def ledger(self) -> Any:
        """Which keys made which cards at the provider, and what has gone wrong there."""
        told = self._told()
        return told | {"faults": dict(self._faults + Counter(told["faults"]))}

    def changes(self, card: str) -> list[str]:
        """The statuses that a card has had at the provider."""
        told = httpx.get(f"{self.provider_url}/_emulator/cards/{card}", **_PLAIN).json()
        return [change["status"] for change in told["changes"]]

    def _told(self) -> Any:
        return httpx.get(f"{self.provider_url}/_emulator/ledger", **_PLAIN).json()

    def stop(self) -> str:
        """End everything; what the emulator and, last, the gateways wrote."""
        self._stack.close()
        return "".join([self._emulator.output, *(one.output for one in self.replicas)])

    def _environment(self) -> dict[str, str]:
        key, key_id = PrivateKey.generate(), str(uuid4())
        self._register(key_id, key)
        return _UNMEASURED | {
            "cwd": str(self._directory),
            "GATEWAY_AUTH": "none",
            "GATEWAY_LEDGER": self.shared.setting,
            "GATEWAY_RATE_LIMITS": json.dumps(dict.fromkeys(_FIELDS, "off")),
            "GATEWAY_LOG_LEVEL": "error",
            "GATEWAY_CALL_DEADLINE": str(CALL_DEADLINE),
            "GATEWAY_PROVIDER_URL": f"{self.provider_url}/v1",
            "GATEWAY_PROVIDER_API_KEY": self._api_key,
            "GATEWAY_PROVIDER_API_SECRET": self._secret,
            "GATEWAY_SIGNING_KEY_ID": key_id,
            "GATEWAY_SIGNING_KEY": key.to_pem().decode(),
        }

    def _register(self, key_id: str, key: PrivateKey) -> None:
        with httpx.Client(base_url=f"{self.provider_url}/v1/auth", **_PLAIN) as http:
            given = {"apiKey": self._api_key, "apiSecret": self._secret}
            token = http.post("/token", json=given).json()["token"]
            http.put(
                "/signing",
                headers={"Authorization": f"Bearer {token}"},
                json={
                    "signingKeyId": key_id,
                    "signingKey": encoded_pem(key.public_key().to_pem()),
                },
            ).raise_for_status()


def _free_port() -> int:
    # Not one that the system hands out to outgoing connections: it must be free again and again.
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
