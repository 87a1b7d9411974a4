"""Tests of packaging/: dashboard, alerts, Prometheus and Compose fit the code and each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import compose_spec
import promql_parser as promql
import pytest
import yaml

from oracle.config import load
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from scripts import dashboard

KNOWN = {each.value: each for each in (*Counter, *Distribution, *Gauge)}
PARTS = {
    f"{name}_{part}": each for name, each in KNOWN.items() if isinstance(each, Distribution)
    for part in ("bucket", "count", "sum")
}  # fmt: skip
SERIES = {name: each for name, each in KNOWN.items() if not isinstance(each, Distribution)} | PARTS
OF_PROMETHEUS = {"up": {"job"}}
GROWING = {"rate", "increase", "histogram_quantile"}


@pytest.fixture
def packaging(project_root: Path) -> Path:
    return project_root / "packaging"


def labels(name: str) -> set[str]:
    """Return the labels of a series, as the metrics themselves have them."""
    if name in OF_PROMETHEUS:
        return OF_PROMETHEUS[name]
    metrics = Metrics()
    kinds: dict[Any, Any] = {**metrics._counters, **metrics._values, **metrics._gauges}
    return {*kinds[SERIES[name]]._labelnames, *(["le"] if name.endswith("_bucket") else [])}


def parts(node: Any, functions: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Return each part of an expression, with the functions that it is in."""
    yield node, functions
    if isinstance(node, promql.Call):
        functions = (*functions, node.func.name)
    for name in ("expr", "lhs", "rhs", "args", "param", "vs", "vector_selector", "selector"):
        below = getattr(node, name, None)
        for each in below if isinstance(below, list) else [below]:
            if isinstance(each, promql.Expr):
                yield from parts(each, functions)


def check(expression: str) -> set[str]:
    """Check one expression, and return the metrics that it names."""
    named = set()
    text = expression.replace("$feed", "eth")
    for node, functions in parts(promql.parse(text)):
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            inner = [each.name or "" for each, _ in parts(node.expr) if isinstance(each, promql.VectorSelector)]
            assert all(set(node.modifier.labels) <= labels(name) for name in inner), expression
        if not isinstance(node, promql.VectorSelector):
            continue
        name = node.name or ""
        assert name in SERIES or name in OF_PROMETHEUS, f"{name} is no metric: {expression}"
        named.add(name)
        matched = {each.name for each in node.matchers.matchers}
        assert matched <= labels(name), f"{name} has no label {matched}: {expression}"
        grows = not isinstance(SERIES.get(name), Gauge | None)
        assert grows == bool(GROWING & set(functions)), f"counters are shown by their rates, gauges as they are: {text}"
    found = set(re.findall(r"\boracle_\w+", text))
    assert found <= named, f"not all of {expression} was understood: {found - named}"
    return named


def panels(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in document["panels"] if each["type"] != "row"]


# --- the dashboard and the alerts ----------------------------------------------------------------------------------


def test_the_dashboard_is_what_its_script_writes(packaging: Path) -> None:
    assert (packaging / "grafana/dashboards/oracle.json").read_text(encoding="utf-8") == dashboard.text()


def test_each_metric_is_in_the_dashboard_or_left_out_for_a_reason(packaging: Path) -> None:
    document = json.loads((packaging / "grafana/dashboards/oracle.json").read_text(encoding="utf-8"))
    shown = {name for panel in panels(document) for each in panel["targets"] for name in check(each["expr"])}
    shown = {SERIES[name].value for name in shown}
    assert set(dashboard.LEFT_OUT) | shown == set(KNOWN)
    assert not set(dashboard.LEFT_OUT) & shown and all(dashboard.LEFT_OUT.values())


def test_each_line_names_its_labels_and_no_panel_lies_on_another(packaging: Path) -> None:
    document = json.loads((packaging / "grafana/dashboards/oracle.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }  # fmt: skip
        assert not cells & taken, panel["title"]
        assert all(x < dashboard.COLUMNS for x, _ in cells), panel["title"]
        taken |= cells
    for panel in panels(document):
        for each in panel["targets"]:
            of = set.union(*(labels(name) for name in check(each["expr"])))
            used = set(re.findall(r"{{(\w+)}}", each["legendFormat"]))
            assert used <= of - {"le"}, panel["title"]
    assert len({each["id"] for each in document["panels"]}) == len(document["panels"])


def test_alerts_are_rules_of_metrics_that_exist(packaging: Path) -> None:
    [group] = yaml.safe_load((packaging / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = group["rules"]
    assert len({each["alert"] for each in rules}) == len(rules) > 15
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert check(rule["expr"])
        if "for" in rule:
            assert promql.parse_duration(rule["for"])


@pytest.mark.parametrize(
    "wrong",
    [
        "rate(oracle_accepted_total[5m]",
        "oracle_no_such_metric",
        'oracle_ready{member="a"}',
        "oracle_accepted_total > 3",
        "rate(oracle_feed_age_seconds[5m])",
        "sum by (member) (rate(oracle_accepted_total[5m]))",
        "oracle_prove_seconds",
    ],
)
def test_these_checks_can_fail(wrong: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(wrong)


# --- Prometheus, Grafana and Compose -------------------------------------------------------------------------------


@pytest.fixture
def composed(packaging: Path) -> Mapping[str, Any]:
    text = (packaging / "compose.yml").read_text(encoding="utf-8")
    # The parser wants plain values where a variable has a default.
    plain = re.sub(
        r"\${\w+(?::[-?]([^}]*))?}", lambda found: "1000" if found[1] and found[1].isdigit() else "/srv", text
    )
    assert "$" not in plain
    compose_spec.PyCompose.from_yaml(plain)
    document: Mapping[str, Any] = yaml.safe_load(text)
    return document


def test_the_compose_file_names_files_volumes_and_secrets_that_are_there(
    composed: Mapping[str, Any], packaging: Path
) -> None:
    services = composed["services"]
    assert set(services) == {"oracle", "anvil", "postgres", "prometheus", "grafana"}
    for name, service in services.items():
        for volume in service["volumes"]:
            source = volume.split(":")[0] if not volume.startswith("$") else ""
            if source.startswith("./"):
                assert (packaging / source).exists(), f"{name}: {source}"
                assert volume.endswith(":ro"), f"{name} may write {source}"
            elif source:
                assert source in composed["volumes"], f"{name}: {source}"
        assert set(service.get("secrets", ())) <= set(composed["secrets"])
        assert set(service.get("depends_on", ())) <= set(services)
        waits = service["depends_on"] if isinstance(service.get("depends_on"), dict) else {}
        assert all("healthcheck" in services[other] for other in waits), name
    build = services["oracle"]["build"]
    assert (packaging / build["context"] / build["dockerfile"]).is_file()


def test_the_compose_file_has_pinned_images_no_secret_and_no_open_port(composed: Mapping[str, Any]) -> None:
    for name, service in composed["services"].items():
        if "build" not in service:
            assert re.search(r":v?\d+[\w.-]*$|@sha256:[0-9a-f]{64}$", service["image"]), f"{name} is not pinned"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert "no-new-privileges:true" in service["security_opt"]
        for variable, value in service.get("environment", {}).items():
            if re.search("PASS|SECRET|TOKEN|KEY", variable):
                assert variable.endswith(("_FILE", "__FILE")) and value.startswith("/run/secrets/"), variable
    assert all(set(each) == {"file"} for each in composed["secrets"].values())


def test_prometheus_asks_the_daemon_and_reads_the_alerts(composed: Mapping[str, Any], packaging: Path) -> None:
    prometheus = yaml.safe_load((packaging / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = prometheus["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    service, port = target.split(":")
    assert any(each.endswith(f":{port}") for each in composed["services"][service]["ports"])
    alerts = (packaging / "alerts.yml").read_text(encoding="utf-8")
    assert {f'job="{job["job_name"]}"'} == set(re.findall(r'job="\w+"', alerts))
    mounted = {each.split(":")[1] for each in composed["services"]["prometheus"]["volumes"]}
    assert set(prometheus["rule_files"]) <= mounted
    assert set(re.findall(r"--config\.file=(\S+)", " ".join(composed["services"]["prometheus"]["command"]))) <= mounted


def test_grafana_finds_its_data_source_and_its_dashboard(composed: Mapping[str, Any], packaging: Path) -> None:
    [source] = yaml.safe_load((packaging / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["uid"] == dashboard.SOURCE["uid"]
    service, port = source["url"].removeprefix("http://").split(":")
    assert any(each.endswith(f":{port}") for each in composed["services"][service]["ports"])
    [provider] = yaml.safe_load((packaging / "grafana/provisioning/dashboards/oracle.yml").read_text())["providers"]
    mounted = [each.split(":")[1] for each in composed["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    home = composed["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).name == dashboard.PAGE.name and str(Path(home).parent) == provider["options"]["path"]


def test_the_page_s_configuration_is_one_that_the_containers_can_use(
    composed: Mapping[str, Any], project_root: Path, tmp_path: Path
) -> None:
    page = (project_root / "docs/packaging.md").read_text(encoding="utf-8")
    [box] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    tables = tomllib.loads(box)
    rest = re.sub(
        r"(?ms)^\[(chain|journal|web)\]\n.*?(?=^\[|^# Who)", "", (project_root / "config.example.toml").read_text()
    )
    (tmp_path / "oracle.toml").write_text(box + rest)
    hosts = composed["services"]["oracle"]["environment"]
    config = load(tmp_path / "oracle.toml", env=hosts)
    services = set(composed["services"])
    assert {hosts["CHAIN_HOST"], hosts["JOURNAL_HOST"]} <= services
    assert config.chain.rpc_url == "http://anvil:8545"
    assert config.journal.url == "postgresql://oracle@postgres:5432/oracle"
    assert set(tables) == {"chain", "journal", "web"} and config.web.address == ("0.0.0.0", 9464)
    assert all(Path(each["file"]).name in page for each in composed["secrets"].values())
    assert str(config.journal.password_file).endswith(Path(composed["secrets"]["journal"]["file"]).name)


def test_the_container_s_file_copies_what_the_package_is_built_from(project_root: Path, tmp_path: Path) -> None:
    text = (project_root / "packaging/Containerfile").read_text(encoding="utf-8")
    for names, target in re.findall(r"^COPY (?!--from)(.*) (\S+)$", text, re.MULTILINE):
        for name in names.split():
            copy = shutil.copytree if (project_root / name).is_dir() else shutil.copy2
            copy(project_root / name, tmp_path / target / (name if target == "./" else ""))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    built = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert list((tmp_path / "out").glob("*.whl"))
    assert 'CMD ["run", "--config", "/var/lib/oracle/oracle.toml"]' in text and "USER 10001" in text
