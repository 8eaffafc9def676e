"""Everything that the emulator remembers: tokens, signing keys, cards and what was paid with them,
and what was called."""

import hmac
import math
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar
from uuid import uuid4

from gateway.emulator.accounts import EmulatedAccount
from gateway.emulator.answers import Refusal
from gateway.emulator.cards import EmulatedCard
from gateway.emulator.faults import Fate, Faults
from gateway.emulator.histories import Change, begin
from gateway.emulator.idempotency import KeyLedger
from gateway.emulator.options import EmulatorOptions
from gateway.emulator.payments import EmulatedAuthorisation, EmulatedTransaction, Payment
from gateway.signing import PublicKey

Found = TypeVar("Found")


class _RegisteredKey(NamedTuple):
    """A signing key, with its id in the registered spelling."""

    keyid: str
    key: PublicKey


class Emulator:
    """The state of one emulated provider; tests and faults may look at it and change it.

    ``options`` and ``fate`` are read at every use, so replacing them takes effect at once.
    ``calls`` counts requests by method and route template, refused ones included;
    ``token_fetches`` counts the tokens that were issued.
    """

    def __init__(
        self,
        options: EmulatorOptions,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        faults: Faults | None = None,
    ) -> None:
        self.options = options
        self.sleep = sleep
        self.fate = Fate(faults or Faults())
        self.clock = now
        self._started = now()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.token_fetches = 0
        self.ledger = KeyLedger()
        self.cards: dict[str, EmulatedCard] = {}
        self.authorisations: dict[str, EmulatedAuthorisation] = {}
        self.transactions: dict[str, EmulatedTransaction] = {}
        self._accounts: dict[str, EmulatedAccount] = {}
        self._cards_of: dict[str, list[str]] = {}
        self._tokens: dict[str, int] = {}
        self._keys: dict[str, _RegisteredKey] = {}
        for keyid, pem in options.signing_keys.items():
            self.register_key(keyid, PublicKey.from_pem(pem))

    def now(self) -> float:
        """The emulator's time, in UNIX seconds: the clock's, shifted if a fault says so."""
        return self.clock() + self.fate.faults.clock_shift

    async def work(self, longer: float) -> None:
        """Take as long as the options say that a call takes, and so many seconds longer."""
        seconds = self.options.latency + longer
        if seconds > 0:
            await self.sleep(seconds)

    def knows_credentials(self, api_key: str, api_secret: str) -> bool:
        """Whether this is the pair that the options name."""
        right_key = api_key.lower() == self.options.api_key.lower()
        secret, expected = api_secret.encode(), self.options.api_secret.encode()
        return hmac.compare_digest(secret, expected) and right_key

    def issue_token(self) -> tuple[str, int]:
        """A fresh opaque token and when it expires, in whole UNIX seconds (section 2)."""
        now = self.now()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        chosen = self.fate.faults.token_lifetime
        lifetime = self.options.token_lifetime if chosen is None else chosen
        token, expires = secrets.token_urlsafe(32), math.ceil(now + lifetime)
        self._tokens[token] = expires
        self.token_fetches += 1
        return token, expires

    def knows_token(self, token: str) -> bool:
        """Whether the token was issued here and has not expired."""
        return self.now() < self._tokens.get(token, 0)

    def find_key(self, keyid: str) -> PublicKey | None:
        """The public key that is registered under exactly this text.

        A ``keyid`` is a string (RFC 9421 section 2.3): another case is another keyid.
        """
        registered = self._keys.get(keyid.lower())
        return registered.key if registered and registered.keyid == keyid else None

    def register_key(self, keyid: str, key: PublicKey) -> None:
        """Add or replace a signing key; any number may be live at once (section 3).

        The id is a UUID here, so that another case replaces the key, and calls have to use that
        spelling from now on [inferred].
        """
        self._keys[keyid.lower()] = _RegisteredKey(keyid, key)

    def remove_key(self, keyid: str) -> None:
        """Remove a signing key, in any case of its id; refuses an unknown one with 400 [inferred:
        the specification lists 400, 401 and 500, and no 404]."""
        if self._keys.pop(keyid.lower(), None) is None:
            raise Refusal(400, "no signing key is registered under this id")

    def find_account(self, account_id: str) -> EmulatedAccount:
        """The account; refuses one that does not exist with 404."""
        if not self.options.any_account and account_id not in self._account_ids():
            raise Refusal(404, "account not found")
        return self._accounts.get(account_id) or EmulatedAccount(
            id=account_id, history=begin("active", self._started)
        )

    def list_accounts(self) -> list[EmulatedAccount]:
        """Those of the options and, where any UUID is one, those that were used."""
        used = [*self._cards_of, *self._accounts] if self.options.any_account else []
        return [self.find_account(each) for each in dict.fromkeys([*self._account_ids(), *used])]

    def keep_account(self, account: EmulatedAccount) -> None:
        """Remember an account that has changed."""
        self._accounts[account.id] = account

    def find_card(self, card_id: str) -> EmulatedCard:
        """The card; refuses an unknown one with 404."""
        return _find(self.cards, card_id, "card")

    def cards_of(self, account_id: str) -> list[EmulatedCard]:
        """The account's cards, the oldest first."""
        return [self.cards[card_id] for card_id in self._cards_of.get(account_id, ())]

    def add_card(
        self, account_id: str, address: Mapping[str, str], decision: Change | None
    ) -> EmulatedCard:
        """Create a card under a fresh id; the decision says how its issuing ends, and when."""
        history = begin("issuing", self.now())
        card = EmulatedCard(
            id=str(uuid4()),
            account_id=account_id,
            billing_address=address,
            history=history.then(decision) if decision else history,
        )
        self.cards[card.id] = card
        self._cards_of.setdefault(account_id, []).append(card.id)
        return card

    def find_authorisation(self, authorisation_id: str) -> EmulatedAuthorisation:
        """The authorisation; refuses an unknown one with 404."""
        return _find(self.authorisations, authorisation_id, "authorisation")

    def add_authorisation(self, payment: Payment) -> EmulatedAuthorisation:
        """Authorise a payment: it is ``pending``."""
        authorisation = EmulatedAuthorisation(
            id=str(uuid4()), payment=payment, history=begin("pending", self.now())
        )
        self.authorisations[authorisation.id] = authorisation
        return authorisation

    def find_transaction(self, transaction_id: str) -> EmulatedTransaction:
        """The transaction; refuses one that is unknown, or will be made later, with 404."""
        made = {one.id: one for one in self.list_transactions()}
        return _find(made, transaction_id, "transaction")

    def list_transactions(self) -> list[EmulatedTransaction]:
        """Those that were made until now, the oldest first."""
        now = self.now()
        made = [one for one in self.transactions.values() if one.history.created <= now]
        return sorted(made, key=lambda one: one.history.created)

    def add_transaction(
        self, authorisation: EmulatedAuthorisation, *, created: float, processed: float
    ) -> None:
        """Have a captured authorisation become a transaction at a time, and processed at another
        (UNIX seconds)."""
        transaction = EmulatedTransaction(
            id=str(uuid4()),
            authorisation_id=authorisation.id,
            payment=authorisation.payment,
            history=begin("processing", created).then(Change("processed", processed)),
        )
        self.transactions[transaction.id] = transaction

    def _account_ids(self) -> list[str]:
        return [account_id.lower() for account_id in self.options.accounts]


def _find(those: Mapping[str, Found], an_id: str, name: str) -> Found:
    try:
        return those[an_id]
    except KeyError:
        raise Refusal(404, f"{name} not found") from None
