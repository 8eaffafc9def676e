"""Chaos: the promises of the gateway, kept or broken while everything between the ends fails.

    clients ──► replicas, each with workers ──► emulator, which drops, refuses, is late
                          │                     and forgets tokens
                    one ledger: a file, or a PostgreSQL server

Workers, supervisors, whole replicas and the database are killed or stand still, spread over the run
as the seed says.

All are real processes on real sockets. Every client repeats its operation, under its own key, at
any replica, until it is told a card. In the end there must be as many cards as operations, every
client must know its own, each replica must tell the same, and the ledger must know of each.
"""
