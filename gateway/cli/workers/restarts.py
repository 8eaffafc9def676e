"""How long the place of a worker that has ended stays empty."""

SHORTEST, LONGEST = 0.1, 10.0
# A worker that ran for so many seconds has worked: its end is not the next of a row of failures.
STEADY = 60.0


class Restarts:
    """The wait before the next start: it doubles with each worker that ended early."""

    def __init__(self) -> None:
        self.failures = 0

    def wait_after(self, lifetime: float) -> float:
        """Seconds to wait now that a worker has ended which ran for ``lifetime`` seconds."""
        if lifetime >= STEADY:
            self.failures = 0
        self.failures += 1
        doublings = min(self.failures - 1, 32)  # far beyond the longest wait, and no large number
        return min(SHORTEST * 2.0**doublings, LONGEST)
