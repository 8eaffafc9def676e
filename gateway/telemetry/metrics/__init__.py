"""Events as metrics of Prometheus.

Labels have few values: routes and fields of the schema, outcomes, codes. No caller, no id and no
text of a document is one. Where there are several processes, each writes its numbers into files of
its own (``shared``), and the mode of a gauge decides how they are put together: summed up, the
largest, the smallest, the one that was set last, or each by itself.
"""

from gateway.telemetry.metrics.exposition import Exposition
from gateway.telemetry.metrics.shared import SharedMetrics
from gateway.telemetry.metrics.sink import MetricsSink

__all__ = ["Exposition", "MetricsSink", "SharedMetrics"]
