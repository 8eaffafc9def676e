"""Chaos: the promises of the gateway, kept or broken while everything between the ends fails.

    clients ──► gateway, killed and restarted ──► emulator, which drops, refuses and forgets tokens

All are real processes on real sockets. Every client repeats its operation, under its own key, until
it is told a card. In the end there must be as many cards as operations, and every client must
know its own.
"""
