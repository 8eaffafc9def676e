"""A clock for the ages of keys, which never goes back while the process lives."""

from collections.abc import Callable

from gateway.runtime import Runtime


def steady(runtime: Runtime) -> Callable[[], float]:
    """UNIX seconds that keep going where the wall clock is set back.

    The wall clock may be set, and the monotonic one stands still while a machine sleeps: the one
    that has gone further counts, because a key must not seem younger than it is.
    """
    wall, monotonic = runtime.now(), runtime.clock()

    def now() -> float:
        nonlocal wall, monotonic
        passed = runtime.clock()
        wall, monotonic = max(runtime.now(), wall + passed - monotonic), passed
        return wall

    return now
