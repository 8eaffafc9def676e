"""What each line of the log means, by its ``event``, and what the operator does about it.

``gateway explain`` shows it.
"""

from typing import NamedTuple

_NOTHING = "Nothing."


class LogLine(NamedTuple):
    """One event of the log: what has happened, and what to do."""

    meaning: str
    advice: str


LOG_LINES: dict[str, LogLine] = {
    # requests
    "operation": LogLine(
        "A request to /graphql was answered.",
        "Explain the codes in `errors` with `gateway explain`.",
    ),
    "caller_refused": LogLine(
        "A request was refused before it was known what it asks for.",
        "`reason` says why; many from one `peer` are a broken client or an attack.",
    ),
    "preflight_refused": LogLine(
        "A page of another web origin may not ask (CORS).",
        "If it is one of yours, set GATEWAY_CORS_ORIGINS or GATEWAY_CORS_HEADERS.",
    ),
    "rate_limit_exceeded": LogLine(
        "A caller has asked more often than the rate limit of the field permits.",
        "See GATEWAY_RATE_LIMITS.",
    ),
    "issue_limit_reached": LogLine(
        "An account has as many new cards as it may have in 24 hours.",
        "Find out why with `gateway audit find --account`; see GATEWAY_ISSUE_LIMIT_PER_ACCOUNT.",
    ),
    "document_refused": LogLine(
        "A document was not executed.",
        "Explain its `codes` with `gateway explain`; `limits` names what it passes.",
    ),
    "http_request_refused": LogLine(
        "A client sent what is too large, too slow or no HTTP/1.1.",
        "Where it is one of yours, see GATEWAY_HEADER_TIMEOUT and GATEWAY_BODY_TIMEOUT.",
    ),
    "unexpected_error": LogLine(
        "A fault of the gateway: `error` is its class, `at` where it passed.",
        "Report both; look whether a newer gateway has mended it.",
    ),
    # the provider
    "provider_call": LogLine(
        "A call to the provider has ended, with all its attempts.",
        "Where `outcome` is bad, `cause` and `hint` say why; run `gateway doctor`.",
    ),
    "provider_attempt": LogLine("One attempt of such a call has ended.", _NOTHING),
    "card_fields_unreadable": LogLine(
        "The provider sent a card with `fields` that are not as documented; they are null.",
        "Report the fields to the provider.",
    ),
    "breaker": LogLine(
        "Reads are held back after failures in a row (`open`), or are sent again (`closed`).",
        "While it is open: run `gateway doctor`, and look at the lines `provider_call`.",
    ),
    "access_token_renewed": LogLine("The provider gave a new access token.", _NOTHING),
    "requests_held_back": LogLine(
        "No request is sent for `seconds`: the provider asked for it, or gives no access token.",
        "Where `of` is access_token, run `gateway doctor`.",
    ),
    "clock_skew": LogLine(
        "The provider's clock is `seconds` ahead of ours.",
        "Synchronise this machine's clock (NTP): signatures are refused otherwise.",
    ),
    "provider_is_reached_without_encryption": LogLine(
        "API secret and cards cross the network unencrypted.",
        "In production remove GATEWAY_PROVIDER_PLAINTEXT_HOST.",
    ),
    # callers
    "jwks_unavailable": LogLine(
        "The keys of the identity provider cannot be fetched; `keys_kept` still hold.",
        "See that GATEWAY_JWT_KEYS can be fetched from here: the keys hold for an hour.",
    ),
    "jwks_key_refused": LogLine(
        "A key of the identity provider is passed over.",
        "`reason` says why; callers with tokens of this `kid` are refused.",
    ),
    "jwks_too_old": LogLine(
        "The keys of the identity provider hold no longer: callers are refused.",
        "See that GATEWAY_JWT_KEYS can be fetched from here.",
    ),
    "subject_key_is_random": LogLine(
        "Callers are hashed with a key that ends with this process.",
        "Set GATEWAY_SUBJECT_KEY to compare callers between gateways, and after a restart.",
    ),
    "rate_limit_store_available": LogLine("The store of shared counts answers again.", _NOTHING),
    "rate_limit_store_unavailable": LogLine(
        "The store of shared counts has failed; each gateway counts for itself meanwhile, "
        "or refuses.",
        "Bring the store of GATEWAY_RATE_LIMIT_STORE back.",
    ),
    # idempotency keys
    "key_claimed": LogLine("The right to send the call of a key was taken.", _NOTHING),
    "key_answered": LogLine("A request was told what became of its key's call.", _NOTHING),
    "click_settled": LogLine("The call of a key has ended in `state`.", _NOTHING),
    "ledger_step": LogLine(
        "The store of the ledger was asked for one step.",
        "Long ones are a slow disk or database.",
    ),
    "ledger_counted": LogLine(
        "How many keys are not resolved, and the age of the oldest.",
        "Where `oldest` grows, look at `gateway ledger status`.",
    ),
    "ledger_available": LogLine("The ledger works again.", _NOTHING),
    "ledger_unavailable": LogLine(
        "The ledger has failed: mutations are refused as LEDGER_UNAVAILABLE.",
        "`problem` has the reason; bring the store of GATEWAY_LEDGER back.",
    ),
    "ledger_alarm": LogLine(
        "What must not happen has happened to a key; `what` says what.",
        "Look at once: compare the account's cards with `gateway audit find --account`, and see "
        "whether the ledger was restored or lost writes.",
    ),
    "idempotency_records_full": LogLine(
        "As many keys are remembered as may be: new ones are refused as OVERLOADED.",
        "Raise GATEWAY_MAX_IDEMPOTENCY_RECORDS, or keep the ledger in a file or a database.",
    ),
    "ledger_is_lost_with_its_container_or_machine": LogLine(
        "The ledger's file does not outlive the container or the machine.",
        "Put it on a volume (GATEWAY_LEDGER).",
    ),
    "ledger_resolved": LogLine("An operator decided what became of a key.", _NOTHING),
    # the audit trail
    "audit_available": LogLine("The audit trail can be written again.", _NOTHING),
    "audit_unavailable": LogLine(
        "The audit trail cannot be written; GATEWAY_AUDIT_ON_FAILURE says what follows.",
        "`problem` has the reason; make GATEWAY_AUDIT_FILE writable again.",
    ),
    "audit_line_written": LogLine("A line of the audit trail is on the disk.", _NOTHING),
    "audit_line_lost": LogLine(
        "A line of the audit trail was given up: too many wait for its disk.",
        "See that the disk of GATEWAY_AUDIT_FILE has space and keeps pace.",
    ),
    "signer": LogLine(
        "Which library makes the signatures: `aws-lc`, or `openssl`, which takes twice as long.",
        "For `aws-lc` install the extra: pip install 'card-gateway[fast]'.",
    ),
    "mutations": LogLine(
        "Mutations are on, off, or only repeats are carried out, from now on.",
        "Nothing where that was intended; else see GATEWAY_MUTATIONS.",
    ),
    "mutation_refused": LogLine(
        "A mutation was refused because of GATEWAY_MUTATIONS.",
        "Nothing where that was intended.",
    ),
    "settings_reloaded": LogLine(
        "SIGHUP came, and the settings were read anew; `changed` names those that are others.",
        "Nothing.",
    ),
    "settings_refused": LogLine(
        "SIGHUP came, and the settings cannot be used; those from before hold.",
        "Correct what `problems` names, and send SIGHUP again.",
    ),
    "spans_not_exported": LogLine(
        "The collector of traces cannot be reached, or takes no spans; they are dropped.",
        "Look whether OTEL_EXPORTER_OTLP_ENDPOINT is right and the collector runs.",
    ),
    "spans_exported": LogLine("The collector of traces takes spans again.", "Nothing."),
    "audit_head": LogLine(
        "Where the chain of this process's audit trail stands.",
        "Keep these lines apart from the trail, for `gateway audit verify --head`.",
    ),
    # processes and connections
    "state_sampled": LogLine("What is so now in this process.", _NOTHING),
    "connections_counted": LogLine("How many connections of clients are open.", _NOTHING),
    "waiting_connections_closed": LogLine(
        "There were too many connections; some that waited for a request were closed.",
        "Raise the limit of open files and GATEWAY_MAX_CLIENT_CONNECTIONS.",
    ),
    "connections_not_accepted": LogLine(
        "The process has no file descriptor left for another connection.",
        "Raise its limit of open files.",
    ),
    "connections_are_not_accepted": LogLine(
        "The supervisor cannot take another connection; `error` says why.",
        "Raise its limit of open files.",
    ),
    "server_ends": LogLine("The server was told to end.", _NOTHING),
    "requests_cut_off": LogLine(
        "Requests were not answered: they took longer than the end of the server may take.",
        "Raise GATEWAY_SHUTDOWN_GRACE, and the time that the platform gives.",
    ),
    "supervisor_is_gone": LogLine(
        "The supervisor has ended, and so does this worker.",
        "Find out what killed it, such as too little memory.",
    ),
    "worker_started": LogLine("A worker was started.", _NOTHING),
    "worker_failed": LogLine(
        "A worker ended with an error.", "Report `error` and `at`; it is started anew."
    ),
    "worker_ended": LogLine(
        "A worker has ended, and is started anew.",
        "`problems` has what is wrong with the settings; exit code -9 is often too little memory.",
    ),
    "worker_is_killed": LogLine(
        "A worker still lived after the time for an orderly end.",
        "Look for `requests_cut_off`, and for what kept it busy.",
    ),
    "worker_cannot_be_started": LogLine(
        "The machine gives no further process.", "See its limits of processes and memory."
    ),
    "no_worker_can_start": LogLine(
        "No worker ever came up; the gateway ends with exit code 3.",
        "Look at the lines `worker_ended` and `worker_failed`.",
    ),
    "log_lines_dropped": LogLine(
        "The reader of the log was too slow or gone, and `lines` were not written.",
        "See that what reads the log keeps pace, or raise GATEWAY_LOG_LEVEL.",
    ),
}
"""By the name of the event. ``admin_…`` are ``worker_…`` of the process for metrics."""
