"""Benchmarks: the gateway beside its peers, on the same signed work, in one run.

    load generator ──► one system at a time ──► a constant, fast provider

All are real processes on loopback. The system under test has a core of its own where there are two.
Every answer is checked; one wrong answer fails the run. What counts are the ratios.
"""
