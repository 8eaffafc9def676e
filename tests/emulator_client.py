"""A small client of the emulator for its own tests: correct by default, wrong wherever asked.

It signs with the gateway's signing room; an independent verifier is tried elsewhere.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
from starlette.applications import Starlette

from gateway.emulator import GUIDE_ACCOUNT, EmulatorOptions, create_emulator
from gateway.emulator.observed import Observer
from gateway.emulator.state import Emulator
from gateway.signing import Message, PrivateKey, Signer, content_digest

API_KEY = "d04953b7-5878-4fd0-8970-0a5f77fbce59"
API_SECRET = "the secret of the tests"
KEYID = "86b59965-6cf1-4633-9148-92848330fd1b"
PRIVATE_KEY = PrivateKey.generate()
HOST = "provider.test"
CARDS = f"/v1/accounts/{GUIDE_ACCOUNT}/cards"
ADDRESS = {"firstLine": "1 Test Avenue", "city": "London", "country": "GB", "postCode": "SW1 1AA"}
NEW_CARD = {"type": "virtual", "billingAddress": ADDRESS}


@dataclass
class Clock:
    """A clock that moves only when told, in UNIX seconds."""

    time: float = 1_700_000_000.123456789

    def __call__(self) -> float:
        return self.time


@dataclass(kw_only=True)
class Signing:
    """How a request is signed; whatever is set differs from what is sent."""

    method: str | None = None
    authority: str | None = None
    path: str | None = None
    digest: str | None = None
    covered: Sequence[str] | None = None
    keyid: str = KEYID
    key: PrivateKey = PRIVATE_KEY
    created: int | None = None
    lifetime: int = 300


@dataclass
class Client:
    """A caller of one emulator that holds a token and a registered key."""

    app: Starlette
    clock: Clock
    http: httpx.AsyncClient
    token: str = field(default="", repr=False)

    @property
    def emulator(self) -> Emulator:
        """The emulator's state."""
        state: Emulator = self.app.state.emulator
        return state

    def change(self, **options: Any) -> None:
        """Change options of the running emulator."""
        self.emulator.options = replace(self.emulator.options, **options)

    async def login(self) -> None:
        """Fetch a token."""
        answer = await self.auth("POST", "token", apiKey=API_KEY, apiSecret=API_SECRET)
        self.token = answer.json()["token"]

    async def auth(self, method: str, name: str, **body: Any) -> httpx.Response:
        """An unsigned call to ``/v1/auth/<name>``."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return await self.http.request(method, f"/v1/auth/{name}", json=body, headers=headers)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | UUID | None = None,
        signing: Signing | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> httpx.Response:
        """A signed call; ``headers`` are set, or with None taken away, after the signing."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        sent = {"Authorization": f"Bearer {self.token}"}
        if content:
            sent |= {"Content-Type": "application/json", "Content-Digest": content_digest(content)}
        if method != "GET":
            sent["Idempotency-Key"] = str(key or uuid4())
        sent |= self._sign(method, path, sent, signing or Signing())
        for name, value in (headers or {}).items():
            sent.pop(name, None)
            if value is not None:
                sent[name] = value
        return await self.http.request(method, path, content=content, headers=sent)

    async def create(self, key: UUID | None = None, account: str = GUIDE_ACCOUNT) -> httpx.Response:
        """Create a virtual card."""
        return await self.send("POST", f"/v1/accounts/{account}/cards", NEW_CARD, key=key)

    async def card(self, card_id: str) -> Any:
        """Read a card, as JSON."""
        return (await self.send("GET", f"/v1/cards/{card_id}")).json()

    async def simulate(self, card_id: str, what: str) -> httpx.Response:
        """The simulator's ``issue`` or ``fail``."""
        return await self.send("PATCH", f"/v1/simulator/cards/{card_id}/{what}")

    async def active_card(self, account: str = GUIDE_ACCOUNT) -> str:
        """The id of a new card that was issued; the clock moves on."""
        card_id: str = (await self.create(account=account)).json()["id"]
        await self.simulate(card_id, "issue")
        self.clock.time += self.emulator.options.activation_delay
        return card_id

    async def move(self, card_id: str, what: str) -> httpx.Response:
        """``activate``, ``deactivate`` or ``terminate`` a card."""
        if what == "terminate":
            return await self.send("DELETE", f"/v1/cards/{card_id}")
        return await self.send("PATCH", f"/v1/cards/{card_id}/{what}")

    async def put(self, kind: str, an_id: str, status: object) -> httpx.Response:
        """The control call that puts one of the ``cards`` or ``accounts`` into a status."""
        return await self.http.put(f"/_emulator/{kind}/{an_id}", json={"status": status})

    async def authorise(self, card_id: str, **changes: Any) -> httpx.Response:
        """An authorisation of 20 EUR, which is not captured by itself."""
        body = {"amount": "20.0", "currency": "EUR", "capture": False} | changes
        return await self.send("POST", f"/v1/simulator/cards/{card_id}/authorisation", body)

    async def settle(self, authorisation_id: str, what: str) -> httpx.Response:
        """The simulator's ``capture`` or ``release``."""
        path = f"/v1/simulator/authorisations/{authorisation_id}/{what}"
        return await self.send("PATCH", path)

    async def read(self, path: str) -> Any:
        """What a path below ``/v1`` shows, as JSON."""
        return (await self.send("GET", f"/v1/{path}")).json()

    def _sign(
        self, method: str, path: str, sent: Mapping[str, str], how: Signing
    ) -> dict[str, str]:
        digest = how.digest or sent.get("Content-Digest")
        fields = {"content-digest": digest} if digest else {}
        covered = how.covered or ["@method", "@authority", "@path", *fields]
        fields |= {name.lower(): value for name, value in sent.items() if name != "Content-Digest"}
        message = Message(how.method or method, how.authority or HOST, how.path or path, fields)
        created = int(self.clock()) if how.created is None else how.created
        signer = Signer(how.key, keyid=how.keyid)
        made = signer.sign(message, covered, created=created, expires=created + how.lifetime)
        return {"Signature-Input": made.signature_input, "Signature": made.signature}


async def connect(
    clock: Clock | None = None,
    *,
    sleep: Any = None,
    observe: Observer | None = None,
    **changes: Any,
) -> Client:
    """A logged-in client of a fresh emulator with these options."""
    clock = clock or Clock()
    options: dict[str, Any] = {"api_key": API_KEY, "api_secret": API_SECRET}
    options["signing_keys"] = {KEYID: PRIVATE_KEY.public_key().to_pem()}
    runtime = {"sleep": sleep} if sleep else {}
    chosen = EmulatorOptions(**(options | changes))
    app = create_emulator(chosen, now=clock, observe=observe, **runtime)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    client = Client(app, clock, httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}"))
    await client.login()
    return client


def encoded_pem(pem: bytes) -> str:
    """A PEM as ``PUT /auth/signing`` wants it: base64 of the whole text."""
    return base64.b64encode(pem).decode()
