"""Several processes that serve one address, and the supervisor that keeps them running.

The supervisor accepts all connections and hands each to the next worker in turn. Where the workers
accepted from one shared socket, the kernel's choice of whom it wakes could give nearly all to one
of them; and with a socket for each worker (SO_REUSEPORT) a hash of the addresses chooses, and
connections would wait in the socket of a worker that has died.
"""

from gateway.cli.workers.service import Service
from gateway.cli.workers.supervisor import Supervisor, refuse_memory
from gateway.cli.workers.worker import Served, work

__all__ = ["Served", "Service", "Supervisor", "refuse_memory", "work"]
