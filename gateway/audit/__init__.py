"""The audit trail: two lines for each modifying call, in a chain that shows what was changed.

    begun ──(durable before the first byte of the call leaves)──► ledger, provider ──► ended

Each process has a chain of its own in the file: a line holds its number in the chain, and an HMAC
of itself and of the line before. Whoever has the key can tell whether a line was changed, is
missing or stands elsewhere; and with the head of a chain, which the log has once a minute, whether
its last lines are missing.
"""

from gateway.audit.chain import Chain, Head
from gateway.audit.reading import Line, read_lines
from gateway.audit.trail import AuditedCall, AuditTrail, NoTrail, Trail
from gateway.audit.verification import Finding, Verified, verified

__all__ = [
    "AuditTrail",
    "AuditedCall",
    "Chain",
    "Finding",
    "Head",
    "Line",
    "NoTrail",
    "Trail",
    "Verified",
    "read_lines",
    "verified",
]
