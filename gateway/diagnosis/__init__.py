"""Why an exchange with the provider failed, and what the operator can do about it.

Read are the cause of a broken exchange, the status of an answer and the provider's clock. The texts
of the provider and of libraries are never shown: they may hold anything. Findings name the host and
the path of our own setting.
"""

from gateway.diagnosis.exchanges import Exchange, Watched, explain
from gateway.diagnosis.finding import Finding

__all__ = ["Exchange", "Finding", "Watched", "explain"]
