"""Events as lines of the log: one name and a few facts each."""

from collections.abc import Callable
from typing import Any

import structlog

from gateway import events
from gateway.events import Event
from gateway.telemetry.logs import is_logged

# The level, the name of the line, and its facts.
Line = tuple[str, str, dict[str, Any]]


class LogSink:
    """Writes each event as one line. What the ``operation`` line tells as well is at debug."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def __call__(self, event: Event) -> None:
        """Write the line of an event."""
        if type(event) in _DETAILS and not is_logged("debug"):
            return  # there are several for each request
        level, name, facts = _LINES[type(event)](event)
        getattr(self._log, level)(name, **facts)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _operation(event: events.OperationEnded) -> Line:
    facts: dict[str, Any] = {
        "status": event.status,
        "duration_ms": _milliseconds(event.duration),
        "caller": event.caller,
        "operation": event.operation,
        "kind": event.kind,
        "fields": event.fields,
        "errors": event.errors,
    }
    return "info", "operation", facts


def _exchange(event: events.AttemptEnded | events.ProviderCallEnded) -> dict[str, Any]:
    return {
        "method": event.method,
        "route": event.route,
        "status": event.status,
        "outcome": event.outcome,
        "cause": event.cause,
    }


def _provider_call(event: events.ProviderCallEnded) -> Line:
    facts = {"attempts": event.attempts, "duration_ms": _milliseconds(event.duration)}
    advice = {} if event.hint is None else {"hint": event.hint}
    return "info", "provider_call", _exchange(event) | facts | advice


def _attempt(event: events.AttemptEnded) -> Line:
    return "debug", "provider_attempt", _exchange(event)


def _card_fields(event: events.CardFieldsUnreadable) -> Line:
    return "warning", "card_fields_unreadable", {"route": event.route, "fields": event.fields}


def _breaker(event: events.BreakerChanged) -> Line:
    facts = {"state": event.state, "failures": event.failures, "pause": event.pause}
    return "warning", "breaker", facts


def _signer(event: events.SignerChosen) -> Line:
    return "info", "signer", {"signer": event.signer}


def _token(event: events.TokenRenewed) -> Line:
    return "info", "access_token_renewed", {"lifetime": round(event.lifetime)}


def _held_back(event: events.RequestsHeldBack) -> Line:
    facts: dict[str, Any] = {"of": event.of, "seconds": round(event.seconds, 1)}
    return "warning", "requests_held_back", facts | ({"code": event.code} if event.code else {})


def _clock_skew(event: events.ClockSkewChanged) -> Line:
    facts = {"seconds": event.seconds, "within_tolerance": event.within_tolerance}
    return "warning", "clock_skew", facts


def _caller_refused(event: events.CallerRefused) -> Line:
    facts = {"code": event.code, "reason": event.reason, "kid": event.key_id, "peer": event.peer}
    return "info", "caller_refused", facts


def _preflight(event: events.PreflightRefused) -> Line:
    return "warning", "preflight_refused", {"reason": event.reason, "header": event.header}


def _rate_limit(event: events.RateLimitHit) -> Line:
    facts = {"caller": event.caller, "field": event.field, "retry_after": event.retry_after}
    return "debug", "rate_limit_exceeded", facts


def _issue_limit(event: events.IssueLimitHit) -> Line:
    return "warning", "issue_limit_reached", {"retry_after": round(event.retry_after)}


def _store(event: events.RateLimitStoreChanged) -> Line:
    if event.available:
        return "info", "rate_limit_store_available", {}
    return "error", "rate_limit_store_unavailable", {"error": event.error}


def _keys_unavailable(event: events.IdentityKeysUnavailable) -> Line:
    return "warning", "jwks_unavailable", {"error": event.error, "keys_kept": event.kept}


def _key_refused(event: events.IdentityKeyRefused) -> Line:
    return "warning", "jwks_key_refused", {"kid": event.key_id, "reason": event.reason}


def _keys_expired(event: events.IdentityKeysExpired) -> Line:
    return "warning", "jwks_too_old", {"seconds": event.seconds}


def _subject_key(_event: events.SubjectKeyMade) -> Line:
    hint = "Set GATEWAY_SUBJECT_KEY to compare callers between gateways, and after a restart."
    return "info", "subject_key_is_random", {"hint": hint}


def _document(event: events.DocumentRefused) -> Line:
    limits = {"limits": event.limits} if event.limits else {}
    return "debug", "document_refused", {"codes": event.codes, **limits}


def _click(event: events.ClickSettled) -> Line:
    facts = {"duration_ms": _milliseconds(event.duration), "resumed": event.resumed}
    return "debug", "click_settled", {"state": event.state, **facts}


def _claimed(event: events.KeyClaimed) -> Line:
    return "debug", "key_claimed", {"how": event.how}


def _answered(event: events.KeyAnswered) -> Line:
    return "debug", "key_answered", {"outcome": event.outcome}


def _store_step(event: events.StoreStepEnded) -> Line:
    facts = {"duration_ms": _milliseconds(event.duration), "failed": event.failed}
    return "debug", "ledger_step", {"step": event.step, **facts}


def _ledger_full(event: events.LedgerFull) -> Line:
    hint = "Raise GATEWAY_MAX_IDEMPOTENCY_RECORDS."
    return "error", "idempotency_records_full", {"records": event.records, "hint": hint}


def _ledger_alarm(event: events.LedgerAlarm) -> Line:
    return "error", "ledger_alarm", {"what": event.what}


def _ledger_changed(event: events.LedgerChanged) -> Line:
    if event.problem is None:
        return "info", "ledger_available", {}
    return "error", "ledger_unavailable", {"problem": event.problem}


def _switched(event: events.MutationsSwitched) -> Line:
    return ("info" if event.mode == "on" else "warning"), "mutations", {"mode": event.mode}


def _mutation_refused(event: events.MutationRefused) -> Line:
    return "debug", "mutation_refused", {"field": event.field, "mode": event.mode}


def _reloaded(event: events.SettingsReloaded) -> Line:
    return "info", "settings_reloaded", {"changed": event.changed}


def _settings_refused(event: events.SettingsRefused) -> Line:
    return "error", "settings_refused", {"problems": event.problems}


def _audit_changed(event: events.AuditChanged) -> Line:
    if event.problem is None:
        return "info", "audit_available", {}
    return "error", "audit_unavailable", {"problem": event.problem}


def _audit_line(event: events.AuditLineWritten) -> Line:
    return "debug", "audit_line_written", {"line": event.event}


def _audit_lost(_event: events.AuditLineLost) -> Line:
    return "error", "audit_line_lost", {}


def _audit_head(event: events.AuditHead) -> Line:
    return "info", "audit_head", {"head": event.head}


def _ledger_counted(event: events.LedgerCounted) -> Line:
    facts: dict[str, Any] = {"sending": event.sending, "indeterminate": event.indeterminate}
    return "debug", "ledger_counted", facts | {"oldest": round(event.oldest, 1)}


def _sampled(event: events.StateSampled) -> Line:
    facts: dict[str, Any] = {"breaker": event.breaker, "loop_lag": round(event.loop_lag, 3)}
    return "debug", "state_sampled", facts | {"descriptors": event.open_descriptors}


def _span_export(event: events.SpanExportChanged) -> Line:
    if event.works:
        return "info", "spans_exported", {}
    hint = "Spans are dropped. Look at the collector, and at the OTEL_EXPORTER_OTLP_… variables."
    return "warning", "spans_not_exported", {"hint": hint}


def _unexpected(event: events.UnexpectedError) -> Line:
    return "error", "unexpected_error", {"error": event.error, "at": event.places}


def _server_ends(event: events.ServerEnds) -> Line:
    return "info", "server_ends", {"readiness_delay": event.readiness_delay}


def _supervisor_gone(_event: events.SupervisorGone) -> Line:
    return "warning", "supervisor_is_gone", {}


def _cut_off(event: events.RequestsCutOff) -> Line:
    return "warning", "requests_cut_off", {"requests": event.requests}


def _connections_closed(event: events.ConnectionsClosed) -> Line:
    return "warning", "waiting_connections_closed", {"open": event.open, "closed": event.closed}


def _counted(event: events.ConnectionsCounted) -> Line:
    return "debug", "connections_counted", {"open": event.open}


def _not_accepted(event: events.ConnectionsNotAccepted) -> Line:
    return "error", "connections_not_accepted", {"error": event.error}


def _http_refused(event: events.HttpRequestRefused) -> Line:
    return "debug", "http_request_refused", {"status": event.status}


_LINES: dict[type[Any], Callable[[Any], Line]] = {
    events.OperationEnded: _operation,
    events.ProviderCallEnded: _provider_call,
    events.AttemptEnded: _attempt,
    events.CardFieldsUnreadable: _card_fields,
    events.BreakerChanged: _breaker,
    events.SignerChosen: _signer,
    events.TokenRenewed: _token,
    events.RequestsHeldBack: _held_back,
    events.ClockSkewChanged: _clock_skew,
    events.CallerRefused: _caller_refused,
    events.PreflightRefused: _preflight,
    events.RateLimitHit: _rate_limit,
    events.IssueLimitHit: _issue_limit,
    events.RateLimitStoreChanged: _store,
    events.IdentityKeysUnavailable: _keys_unavailable,
    events.IdentityKeyRefused: _key_refused,
    events.IdentityKeysExpired: _keys_expired,
    events.SubjectKeyMade: _subject_key,
    events.DocumentRefused: _document,
    events.ClickSettled: _click,
    events.KeyClaimed: _claimed,
    events.KeyAnswered: _answered,
    events.StoreStepEnded: _store_step,
    events.LedgerFull: _ledger_full,
    events.LedgerAlarm: _ledger_alarm,
    events.LedgerChanged: _ledger_changed,
    events.MutationsSwitched: _switched,
    events.MutationRefused: _mutation_refused,
    events.SettingsReloaded: _reloaded,
    events.SettingsRefused: _settings_refused,
    events.AuditChanged: _audit_changed,
    events.AuditLineWritten: _audit_line,
    events.AuditLineLost: _audit_lost,
    events.AuditHead: _audit_head,
    events.LedgerCounted: _ledger_counted,
    events.StateSampled: _sampled,
    events.SpanExportChanged: _span_export,
    events.UnexpectedError: _unexpected,
    events.ServerEnds: _server_ends,
    events.SupervisorGone: _supervisor_gone,
    events.RequestsCutOff: _cut_off,
    events.ConnectionsClosed: _connections_closed,
    events.ConnectionsCounted: _counted,
    events.ConnectionsNotAccepted: _not_accepted,
    events.HttpRequestRefused: _http_refused,
}
# What is told for each request at debug alone.
_DETAILS = {
    events.AttemptEnded,
    events.KeyClaimed,
    events.KeyAnswered,
    events.ClickSettled,
    events.StoreStepEnded,
    events.AuditLineWritten,
    events.StateSampled,
}
