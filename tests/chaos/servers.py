"""The emulator, and a gateway in front of it that can be killed and comes back in its place."""

import json
import random
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from gateway.signing import PrivateKey
from tests.emulator_client import encoded_pem
from tests.ledger_files import ledger_in
from tests.processes import Process
from tests.waiting import PATIENCE

CALL_DEADLINE = 5
"""Seconds that the gateway spends on one provider call."""
_PLAIN: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE}
_UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""Without coverage: it would slow them down, and what is killed reports none."""


class Servers:
    """Both processes. The gateway always listens on the same port, whichever process it is."""

    def __init__(self, directory: Path, faults: Mapping[str, Any]) -> None:
        """Start both; ``directory`` is an empty one, so that no ``.env`` is found."""
        self._ended: list[Process] = []
        self._gateway: Process | None = None
        api_key, secret = str(uuid4()), uuid4().hex
        self._emulator = Process(
            *("emulator", "--port", "0", "--api-key", api_key, "--api-secret", secret),
            *("--faults", json.dumps(faults)),
            **_UNMEASURED,
        )
        self.provider_url = self._emulator.wait_for(r"PROVIDER_URL=(http://\S+)/v1")[1]
        try:
            self._prepare(directory, api_key, secret)
            self._start_gateway()
        except BaseException:
            self.stop()
            raise

    def _prepare(self, directory: Path, api_key: str, secret: str) -> None:
        port, key, key_id = _free_port(), PrivateKey.generate(), str(uuid4())
        self.gateway_url = f"http://127.0.0.1:{port}"
        self._environment = _UNMEASURED | {
            "cwd": str(directory),
            "GATEWAY_PORT": str(port),
            "GATEWAY_AUTH": "none",
            "GATEWAY_LEDGER": ledger_in(directory),
            "GATEWAY_RATE_LIMIT_ISSUE": "off",
            "GATEWAY_LOG_LEVEL": "error",
            "GATEWAY_CALL_DEADLINE": str(CALL_DEADLINE),
            "GATEWAY_PROVIDER_URL": f"{self.provider_url}/v1",
            "GATEWAY_PROVIDER_API_KEY": api_key,
            "GATEWAY_PROVIDER_API_SECRET": secret,
            "GATEWAY_SIGNING_KEY_ID": key_id,
            "GATEWAY_SIGNING_KEY": key.to_pem().decode(),
        }
        self._register(api_key, secret, key_id, key)

    def kill_gateway(self) -> None:
        """End the gateway without a chance to finish anything, and start another."""
        self._end_gateway(signal.SIGKILL)
        self._start_gateway()

    def renew_gateway(self) -> int:
        """End the gateway in an orderly way, and start another; the exit code of the first."""
        code = self._end_gateway(signal.SIGTERM)
        self._start_gateway()
        return code

    def set_faults(self, **faults: Any) -> None:
        """What goes wrong at the provider from now on."""
        url = f"{self.provider_url}/_emulator/faults"
        httpx.put(url, json=faults, **_PLAIN).raise_for_status()

    def ledger(self) -> Any:
        """Which keys made which cards at the provider."""
        return httpx.get(f"{self.provider_url}/_emulator/ledger", **_PLAIN).json()

    def stop(self) -> str:
        """End both; what the gateways and the emulator wrote."""
        self._end_gateway(signal.SIGTERM)
        self._emulator.stop()
        return "".join(process.output for process in [*self._ended, self._emulator])

    def _register(self, api_key: str, secret: str, key_id: str, key: PrivateKey) -> None:
        with httpx.Client(base_url=f"{self.provider_url}/v1/auth", **_PLAIN) as http:
            login = http.post("/token", json={"apiKey": api_key, "apiSecret": secret})
            http.put(
                "/signing",
                headers={"Authorization": f"Bearer {login.json()['token']}"},
                json={
                    "signingKeyId": key_id,
                    "signingKey": encoded_pem(key.public_key().to_pem()),
                },
            ).raise_for_status()

    def _start_gateway(self) -> None:
        self._gateway = Process("serve", **self._environment)
        try:
            self._gateway.wait_for("Serving")
        except AssertionError:
            self._gateway = None  # it has ended by itself
            raise

    def _end_gateway(self, how: signal.Signals) -> int:
        process, self._gateway = self._gateway, None
        if process is None:
            return 0
        self._ended.append(process)
        return process.stop(how)


def _free_port() -> int:
    # Not one that the system hands out to outgoing connections: it must be free again and again.
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
