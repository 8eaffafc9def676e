"""Metrics of several processes: each writes files of its own, and any process can add them up.

prometheus_client does it. A worker that is started anew goes on with the files of the one before
it, so that their number has a bound and no count ever falls.
"""

import os
import shutil
import tempfile
from pathlib import Path

from prometheus_client import multiprocess, values
from prometheus_client.registry import CollectorRegistry

from gateway.telemetry.metrics.exposition import Exposition, exposition_of

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 (of a folder with a random name in it)
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client looks for the folder


class SharedMetrics:
    """A folder for the files; in memory where the system has such a place, which is also there
    where all other file systems are read-only.
    """

    def __init__(self) -> None:
        place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        self._folder = tempfile.mkdtemp(prefix="card-gateway-metrics-", dir=place)

    def use(self, worker: int) -> None:
        """Keep the metrics that this process makes from now on there, as those of a worker."""
        os.environ[_VARIABLE] = self._folder
        kept: type = values.MultiProcessValue(process_identifier=lambda: worker)
        values.ValueClass = kept

    def ended(self, worker: int) -> None:
        """A worker has ended: its gauges say nothing any more."""
        multiprocess.mark_process_dead(worker, self._folder)

    def exposition(self) -> Exposition:
        """The metrics of all workers."""
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=self._folder)
        return exposition_of(registry)

    def close(self) -> None:
        """Delete the files."""
        shutil.rmtree(self._folder, ignore_errors=True)
