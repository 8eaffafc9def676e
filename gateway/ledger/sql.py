"""The statements of the ledger: each is one atomic step of the protocol, for every engine.

``{now}`` stands for the store's clock in UNIX seconds, and ``:name`` for a value. A claim is taken
by one statement that either inserts the row or updates it under a condition, so two processes can
never both have it. Types are those of SQLite; the engine for PostgreSQL knows their names there.
"""

DAY = 24 * 3600.0
ROW_LIFE = 30 * DAY  # seconds that a row is kept
DONE_LIFE = 31 * DAY  # a day longer than any other row: no key comes again while its card is known
ADOPT_FOR = 29 * DAY  # seconds; later the row of a rival may have been deleted
NEVER = 1e18  # a time that does not come

SCHEMA_VERSION = 1

_COLUMNS = (
    "key, operation, account, target, provider_key, fingerprint, state, indeterminate, uncertain, "
    "in_flight_seen, first_send, claim, lease_until, card, version, expires"
)
_ROW = ", ".join(f"k.{name}" for name in _COLUMNS.split(", "))
_RETURNING = f"RETURNING {{now}}, {_COLUMNS}"
_UNRESOLVED = "state IN ('sending', 'indeterminate')"
_SAME_INPUT = "(k.fingerprint = excluded.fingerprint OR k.fingerprint = :unbound)"

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS ledger_store (
    one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL,
    schema_version INTEGER NOT NULL, minimum_reader INTEGER NOT NULL,
    created REAL NOT NULL, certain_from REAL NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS idempotency_key (
    key BLOB NOT NULL PRIMARY KEY, operation TEXT NOT NULL, account BLOB, target BLOB,
    provider_key BLOB NOT NULL, fingerprint BLOB NOT NULL, state TEXT NOT NULL,
    indeterminate INTEGER NOT NULL, uncertain INTEGER NOT NULL, in_flight_seen INTEGER NOT NULL,
    first_send REAL NOT NULL, claim BLOB NOT NULL, lease_until REAL NOT NULL,
    card BLOB, version INTEGER NOT NULL, expires REAL NOT NULL
)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS idempotency_key_card ON idempotency_key (card) "
    "WHERE card IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS idempotency_key_unresolved ON idempotency_key (account) "
    f"WHERE account IS NOT NULL AND {_UNRESOLVED}",
    "CREATE INDEX IF NOT EXISTS idempotency_key_target ON idempotency_key (target) "
    "WHERE target IS NOT NULL AND state IN ('sending', 'indeterminate', 'stopped')",
    "CREATE INDEX IF NOT EXISTS idempotency_key_expires ON idempotency_key (expires)",
)

NEW_STORE = f"""INSERT INTO ledger_store
    (one, id, schema_version, minimum_reader, created, certain_from)
VALUES (1, :id, {SCHEMA_VERSION}, {SCHEMA_VERSION}, {{now}}, {{now}} + :uncertain_for)
ON CONFLICT (one) DO NOTHING"""

STORE = "SELECT {now}, id, schema_version, minimum_reader, created, certain_from FROM ledger_store"

# No lost row is left to fear: somebody who knows says that there was no earlier store.
TRUST = "UPDATE ledger_store SET certain_from = created RETURNING {now}"
# A row that must be there is not: from now on any row may have been lost, but of keys made later.
DOUBT = f"UPDATE ledger_store SET created = {{now}}, certain_from = {NEVER:.0f}.0 RETURNING {{now}}"

LOOK = f"""SELECT {{now}}, s.created, s.certain_from, {_ROW}
FROM ledger_store s LEFT JOIN idempotency_key k ON k.key = :key"""

# Takes the claim of a new key, or takes over where the lease is over and the window is open.
# A take-over marks the row for good: a request of the earlier claim may still be under way. A row
# that is bound to no input stays so, but it is about the account and the card that are sent now.
_INTO = f"INSERT INTO idempotency_key AS k ({_COLUMNS})"
_NEW_CLAIM = f""":key, :operation, :account, :target, :provider_key, :fingerprint, :state, :mark,
    :uncertain, 0, CASE WHEN :latest < {{now}} THEN :latest ELSE {{now}} END, :claim,
    {{now}} + :lease, NULL, :version, {{now}} + {ROW_LIFE}"""
_TAKE_OVER = f"""ON CONFLICT (key) DO UPDATE SET
    state = 'sending', claim = excluded.claim, lease_until = {{now}} + :lease,
    account = excluded.account, target = excluded.target,
    indeterminate = CASE WHEN k.claim = excluded.claim THEN k.indeterminate ELSE 1 END
WHERE {_SAME_INPUT} AND k.version = excluded.version
    AND k.{_UNRESOLVED} AND (k.claim = excluded.claim OR k.lease_until <= {{now}})
    AND k.first_send > {{now}} - :window AND k.first_send <= {{now}} + :tolerance
{_RETURNING}"""
CLAIM = f"{_INTO} VALUES ({_NEW_CLAIM}) {_TAKE_OVER}"

# Nothing was carried out: only by the claim that is still its own, and never a marked row.
FORGET = """DELETE FROM idempotency_key
WHERE key = :key AND claim = :claim AND state = 'sending' AND indeterminate = 0
RETURNING {now}"""

# The outcome is not known; from any claim, and also where the row is gone, which is then uncertain.
OPEN = f"""INSERT INTO idempotency_key AS k ({_COLUMNS})
VALUES (:key, :operation, :account, :target, :provider_key,
    CASE WHEN :bound = 0 THEN :unbound ELSE :fingerprint END, 'indeterminate', 1, 1,
    :in_flight_seen, :first_send, :claim, 0.0, NULL, :version, {{now}} + {ROW_LIFE})
ON CONFLICT (key) DO UPDATE SET indeterminate = 1,
    uncertain = CASE WHEN :lost = 1 THEN 1 ELSE k.uncertain END,
    fingerprint = CASE WHEN :bound = 0 AND k.claim = excluded.claim
        THEN :unbound ELSE k.fingerprint END,
    in_flight_seen = CASE WHEN excluded.in_flight_seen = 1 THEN 1 ELSE k.in_flight_seen END,
    first_send = CASE WHEN k.account IS NOT NULL AND excluded.first_send < k.first_send
        THEN excluded.first_send ELSE k.first_send END,
    state = CASE WHEN k.claim = excluded.claim THEN 'indeterminate' ELSE k.state END,
    lease_until = CASE WHEN k.claim = excluded.claim THEN 0.0 ELSE k.lease_until END
WHERE k.{_UNRESOLVED} AND k.fingerprint IN (:fingerprint, :unbound)
{_RETURNING}"""

# It was carried out: from any claim, also after "not executed", also where the row is gone. The key
# is bound to the input that was carried out.
DONE = f"""INSERT INTO idempotency_key AS k ({_COLUMNS})
VALUES (:key, :operation, :account, :target, :provider_key, :fingerprint, 'done', 1, 1, 0,
    :first_send, :claim, 0.0, :card, :version, {{now}} + {DONE_LIFE})
ON CONFLICT (key) DO UPDATE SET
    state = 'done', card = excluded.card, expires = k.expires + {DAY},
    fingerprint = excluded.fingerprint, account = excluded.account, target = excluded.target
WHERE k.state <> 'done' AND {_SAME_INPUT}
{_RETURNING}"""

# Takes the claim of a row that is too old to be sent, to find out what became of it.
RECLAIM = f"""UPDATE idempotency_key SET
    state = 'indeterminate', indeterminate = 1, claim = :claim, lease_until = {{now}} + :lease
WHERE key = :key AND fingerprint IN (:fingerprint, :unbound) AND {_UNRESOLVED}
    AND lease_until <= {{now}} AND first_send <= {{now}} - :window
{_RETURNING}"""

RELEASE = f"""UPDATE idempotency_key SET lease_until = 0.0
WHERE key = :key AND claim = :claim AND {_UNRESOLVED} RETURNING {{now}}"""

# Rows of an account whose calls may have made a card, or have, by when their keys were claimed:
# when they expire shows it, and no client can choose that, as it can the time of a version 7 key.
_EXPIRES_ANEW = f"CASE WHEN state = 'done' THEN {ROW_LIFE + DAY} ELSE {ROW_LIFE} END"
_OF_THE_LAST_DAY = f"""FROM idempotency_key WHERE account = :account AND account IS NOT NULL
    AND state <> 'not_executed' AND expires > {{now}} + {_EXPIRES_ANEW} - {DAY}"""

ACCOUNT_INDEX = """CREATE INDEX IF NOT EXISTS idempotency_key_account
ON idempotency_key (account, expires) WHERE account IS NOT NULL"""

# As CLAIM, for a new key of an account that has fewer of them than :most. Where statements run at
# the same time, those for one account have to take turns.
CLAIM_WITHIN_LIMIT = f"""{_INTO} SELECT {_NEW_CLAIM}
WHERE (SELECT count(*) {_OF_THE_LAST_DAY}) < :most {_TAKE_OVER}"""

# When so many of them have left the last day that there is room for one more.
ROOM_FROM = f"""SELECT {{now}}, expires - {_EXPIRES_ANEW} + {DAY} {_OF_THE_LAST_DAY}
ORDER BY 2 DESC LIMIT 1 OFFSET :most - 1"""

_RIVALS = f"""FROM idempotency_key r
    WHERE r.account = :account AND r.key <> :key AND r.account IS NOT NULL AND r.{_UNRESOLVED}"""

# The one card that nobody claims is this key's: only where no other click of the account can have
# made it, and no row of this store can have been lost.
_ADOPTED = f"state = 'done', card = :card, expires = expires + {DAY}, lease_until = 0.0"
ADOPT = f"""UPDATE idempotency_key SET {_ADOPTED}, fingerprint = :fingerprint
WHERE key = :key AND claim = :claim AND state = 'indeterminate' AND account IS NOT NULL
    AND uncertain = 0 AND first_send > {{now}} - {ADOPT_FOR} AND NOT EXISTS (SELECT 1 {_RIVALS})
    AND EXISTS (SELECT 1 FROM ledger_store WHERE certain_from <= {{now}})
{_RETURNING}"""

# How many other clicks of the account are not resolved, and how many of them are being sent.
RIVALS = f"""SELECT count(*), count(CASE WHEN r.lease_until > {{now}} THEN 1 END) {_RIVALS}"""

_LATE = "CASE WHEN in_flight_seen = 1 OR uncertain = 1 THEN :late_uncertain ELSE :late END"

# Of a key that is bound to no input the cards of one account prove nothing.
RULE_OUT = f"""UPDATE idempotency_key SET state = 'not_executed', lease_until = 0.0
WHERE key = :key AND claim = :claim AND state = 'indeterminate' AND account IS NOT NULL
    AND fingerprint <> :unbound AND first_send <= :asked - {_LATE}
{_RETURNING}"""

# What an operator decides takes no claim: it holds only while nobody else has one.
_UNDECIDED = f"""WHERE key = :key AND account IS NOT NULL AND {_UNRESOLVED}
    AND lease_until <= {{now}}"""

CHOOSE = f"""UPDATE idempotency_key SET {_ADOPTED}
{_UNDECIDED}
{_RETURNING}"""

DISMISS = f"""UPDATE idempotency_key SET state = 'not_executed', lease_until = 0.0
{_UNDECIDED} AND first_send <= {{now}} - {_LATE}
{_RETURNING}"""

# A call that may be carried out twice without harm is sent again, once the provider has forgotten
# the key: the only case in which the first send moves, so only one process can do it.
RESEND = f"""UPDATE idempotency_key SET
    state = 'sending', indeterminate = 1, first_send = {{now}}, claim = :next,
    lease_until = {{now}} + :lease, expires = {{now}} + {ROW_LIFE}
WHERE key = :key AND claim = :claim AND account IS NULL AND {_UNRESOLVED}
    AND first_send <= :asked - :late
{_RETURNING}"""

# Calls of an operation about one card that may still be carried out.
RIVAL_CALLS = f"""SELECT count(*) FROM idempotency_key WHERE target = :target
    AND operation = :operation AND key <> :key AND {_UNRESOLVED}
    AND first_send > {{now}} - :life"""

# From now on no attempt of them is signed. When that was stands in the place of their lease.
STOP = f"""UPDATE idempotency_key SET state = 'stopped', lease_until = {{now}}
WHERE target = :target AND operation = :stops AND {_UNRESOLVED} RETURNING {{now}}"""

# Until when an attempt of them that was signed before may arrive.
UNDO_UNTIL = """SELECT {now}, max(CASE WHEN lease_until + :signature < first_send + :life
    THEN lease_until + :signature ELSE first_send + :life END)
FROM idempotency_key WHERE target = :target AND operation = :stops AND state = 'stopped'"""

IS_SENDING = """SELECT count(*) FROM idempotency_key
WHERE key = :key AND claim = :claim AND state = 'sending'"""

CLAIMED = "SELECT count(*) FROM idempotency_key WHERE card = :card AND key <> :key"

# In short steps, so that no claim waits long for them.
PURGE = """DELETE FROM idempotency_key WHERE key IN (
    SELECT key FROM idempotency_key WHERE expires < {now} ORDER BY expires LIMIT 500{skip_locked})
RETURNING {now}"""

COUNT = "SELECT count(*) FROM idempotency_key"

TALLY = "SELECT state, count(*) FROM idempotency_key GROUP BY state"

# By the indexes of unresolved rows: calls that make a card, and calls about one.
UNRESOLVED = f"""SELECT {{now}}, count(CASE WHEN state = 'sending' THEN 1 END),
    count(CASE WHEN state = 'indeterminate' THEN 1 END), min(first_send)
FROM (SELECT state, first_send FROM idempotency_key WHERE account IS NOT NULL AND {_UNRESOLVED}
    UNION ALL SELECT state, first_send FROM idempotency_key WHERE target IS NOT NULL
        AND state IN ('sending', 'indeterminate', 'stopped') AND {_UNRESOLVED}) AS unresolved"""

OLDEST = f"""SELECT {_COLUMNS} FROM idempotency_key WHERE {_UNRESOLVED}
ORDER BY first_send, key LIMIT 1"""
