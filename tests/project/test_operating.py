"""What operators are given names what there is: alerts, dashboard, and the page about them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.metrics import MetricsSink
from tools.tables import OPERATING

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is missing (on Debian: apt-get install prometheus)"
)
_METRIC = re.compile(r"\b((?:gateway|process)_[a-z_]+)\b")


def exported() -> set[str]:
    """The names of all metrics, as Prometheus has them."""
    text = MetricsSink().exposition("text/plain")[0].decode()
    names = set()
    for family in text_string_to_metric_families(text):
        names.add(f"{family.name}_total" if family.type == "counter" else family.name)
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def alerts() -> set[str]:
    """The names of all alerts."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_every_metric_that_is_named_is_exported(file: Path) -> None:
    """An alert or a panel on a metric that is not there would never show anything."""
    if file is DASHBOARD:
        panels = json.loads(file.read_text())["panels"]
        text = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    else:
        groups = yaml.safe_load(file.read_text())["groups"]
        text = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    named = set(_METRIC.findall(text))
    assert named
    assert named <= exported()


def test_the_page_says_what_to_do_about_each_alert() -> None:
    """Each alert has a row, and each row is about an alert that there is."""
    section = OPERATING.read_text().partition("## Alerts")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == alerts()


def test_each_alert_is_tried() -> None:
    """Each alert has series on which it fires, and on which it did not before."""
    tried = yaml.safe_load(RULES.with_name("alerts_test.yaml").read_text())["tests"]
    cases = [case for one in tried for case in one["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts()
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts()


@pytest.mark.process
@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]],
    ids=lambda words: words[0],
)
def test_prometheus_takes_the_alerts(arguments: list[str]) -> None:
    """Their expressions can be read, and fire on the series that they are for."""
    done = subprocess.run(
        [str(PROMTOOL), *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
