"""``config/kubernetes``: by Kubernetes's published schemas, and in itself."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # it ships no types
from integrations.locked_packages import python_packages
from integrations.locked_tools import TOOLS
from support.processes import environment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "kubernetes"
VERSIONS = ("1.32", "1.36")
"""An old one that is still served, and a new one."""
VALIDATE = """
import json, sys, kubernetes_validate
version, documents = sys.argv[1], json.load(sys.stdin)
for each in documents:
    kubernetes_validate.validate(each, version, strict=True)
"""
CUSTOM = {"ServiceMonitor", "PodMonitor"}
"""Of the Prometheus operator. The schemas have no custom resources."""


def kustomization(folder: Path = FOLDER) -> dict[str, Any]:
    """Return what kustomize reads."""
    found: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    return found


def objects() -> Iterator[dict[str, Any]]:
    """Yield every object, as kustomize finds it."""
    folders = [FOLDER, *(FOLDER / name for name in kustomization()["components"])]
    for folder in folders:
        for name in kustomization(folder)["resources"]:
            yield from yaml.safe_load_all((folder / name).read_text("utf-8"))


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in objects() if each["kind"] == kind}


def validate(documents: list[dict[str, Any]], version: str) -> subprocess.CompletedProcess[str]:
    """Validate strictly: a member that no schema has is an error."""
    packages = python_packages(TOOLS / "kubernetes.txt")
    return subprocess.run(
        [sys.executable, "-c", VALIDATE, version],
        input=json.dumps(documents),
        env=environment({"PYTHONPATH": str(packages)}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid(version: str) -> None:
    """The validator sees a wrong member."""
    documents = [each for each in objects() if each["kind"] not in CUSTOM]
    done = validate(documents, version)
    assert done.returncode == 0, done.stderr
    documents[-1]["spec"]["podSelectors"] = {}
    assert validate(documents, version).returncode != 0


def test_every_file_is_used() -> None:
    """By kustomize. Settings and secrets are the operator's."""
    listed = {FOLDER / name for name in kustomization()["resources"]}
    for name in kustomization()["components"]:
        listed |= {FOLDER / name / each for each in kustomization(FOLDER / name)["resources"]}
    assert listed == {path for path in FOLDER.rglob("*.yaml") if path.stem != "kustomization"}


def test_secrets_are_those_of_compose() -> None:
    """One file each."""
    (generated,) = kustomization()["secretGenerator"]
    compose = yaml.safe_load((ROOT / "config" / "compose.yaml").read_text("utf-8"))
    assert [Path(name).name for name in generated["files"]] == compose["x-otpvoice"]["secrets"]


@pytest.mark.parametrize("name", ["api", "dialer"])
def test_deployment_is_hardened_and_selects_itself(name: str) -> None:
    """Its settings and secrets are those that kustomize generates; its probes have ports."""
    deployment = of_kind("Deployment")[name]
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"],
        of_kind("PodDisruptionBudget")[name]["spec"]["selector"],
        of_kind("NetworkPolicy")[name]["spec"]["podSelector"],
    ):
        assert selector["matchLabels"] == labels
    (container,) = template["spec"]["containers"]
    assert template["spec"]["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {each["name"]: each for each in template["spec"]["volumes"]}
    assert volumes["settings"]["configMap"]["name"] == "otpvoice-settings"
    assert volumes["secrets"]["secret"]["secretName"] == "otpvoice-secrets"
    assert {each["name"] for each in container["volumeMounts"]} == {*volumes}
    (port,) = container["ports"]
    probes = [probe for key, probe in container.items() if key.endswith("Probe")]
    assert {probe["httpGet"]["port"] for probe in probes} == {port["name"]}


def test_api_has_no_way_out() -> None:
    """It reaches names and the store; only the dialer reaches other hosts."""
    rules = of_kind("NetworkPolicy")["api"]["spec"]["egress"]
    assert sorted(port["port"] for rule in rules for port in rule["ports"]) == [53, 53, 6379]
    assert not any("ipBlock" in peer for rule in rules for peer in rule["to"])


def test_monitors_scrape_both_under_one_job() -> None:
    """The alerts aggregate by job."""
    service = of_kind("Service")["api"]["metadata"]["labels"]
    pod = of_kind("Deployment")["dialer"]["spec"]["template"]["metadata"]["labels"]
    for monitor, labels in (
        (of_kind("ServiceMonitor")["api"], service),
        (of_kind("PodMonitor")["dialer"], pod),
    ):
        assert monitor["spec"]["selector"]["matchLabels"] == labels
        assert labels[monitor["spec"]["jobLabel"]] == "otpvoice"
