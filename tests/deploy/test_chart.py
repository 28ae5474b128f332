"""The Helm chart: valid by the published schemas, restricted, and in step with compose and the code."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cornerman_shared.process.metrics import Metrics
from cornerman_shared.settings.tree import Settings
from tests.deploy.tools import CHART, EXAMPLES, ROOT, helm, render
from tests.integration.npm import install

SCHEMAS = {"@kubernetes-models/keda": "0.4.2", "@kubernetes-models/prometheus-operator": "6.0.0"}
ROLES = {"capture", "encoder", "decider", "generator", "gateway"}
CUSTOM = {
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "ServiceMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
    "PodMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
}

examples = pytest.mark.parametrize("values", EXAMPLES, ids=[file.stem for file in EXAMPLES])


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
    }


def test_chart_passes_the_linter() -> None:
    done = subprocess.run([helm(), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@examples
def test_objects_fit_their_schemas(values: Path) -> None:
    custom = []
    for each in render(values):
        if each["kind"] in CUSTOM:
            custom.append(each)
        else:
            kubernetes_validate.validate(each, "1.35", strict=True)
    script = "import fs from 'fs';\nfor (const each of JSON.parse(fs.readFileSync(0))) {\n"
    script += f"  const paths = {json.dumps(CUSTOM)};\n  const kinds = await import(paths[each.kind]);\n"
    script += "  new kinds[each.kind](each).validate();\n}\n"
    folder = install(SCHEMAS)
    (folder / "validate.mjs").write_text(script)
    command = ["node", "validate.mjs"]
    done = subprocess.run(command, cwd=folder, input=json.dumps(custom), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@examples
def test_every_pod_is_restricted(values: Path) -> None:
    """The rules of the Pod Security Standard "restricted", without an exception."""
    for name, pod in pods(render(values)).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert pod["automountServiceAccountToken"] is False, name
        assert all({"emptyDir", "configMap", "secret", "persistentVolumeClaim"} & set(v) for v in pod["volumes"]), name
        for container in pod["containers"]:
            rules = container["securityContext"]
            assert rules["allowPrivilegeEscalation"] is False, name
            assert rules["capabilities"] == {"drop": ["ALL"]}, name
            assert rules["readOnlyRootFilesystem"] is True, name
            assert {"memory"} <= set(container["resources"]["limits"]), name
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name


@examples
def test_mounts_and_selectors_agree(values: Path) -> None:
    objects = render(values)
    for name, pod in pods(objects).items():
        claimed = {volume["name"] for volume in pod["volumes"]}
        for each in objects:
            if each["kind"] == "StatefulSet" and each["metadata"]["name"] == name:
                claimed |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == claimed, name
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
    ]
    for each in objects:
        if each["kind"] in ("Service", "PodDisruptionBudget"):
            selector = each["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            assert any(selector.items() <= label.items() for label in labels), each["metadata"]["name"]


@examples
def test_scaled_roles_have_no_replicas(values: Path) -> None:
    objects = render(values)
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in objects
        if each["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")
    }
    for each in objects:
        if each["kind"] == "Deployment":
            assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled), each["metadata"]["name"]


@examples
def test_every_variable_is_a_known_setting(values: Path) -> None:
    known = {"CORNERMAN_REDIS_URL", "CORNERMAN_SOURCES"}
    for section, info in Settings.model_fields.items():
        for name in getattr(info.annotation, "model_fields", {}):
            known.add(f"CORNERMAN_{section.upper()}__{name.upper()}")
    text = yaml.safe_dump_all(render(values))
    assert set(re.findall(r"CORNERMAN_[A-Z_]*[A-Z]", text)) <= known


def test_gpu_values_reach_the_pods() -> None:
    gpu = pods(render(CHART / "examples" / "gpu.yaml"))["cornerman-encoder"]
    assert gpu["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert (gpu["runtimeClassName"], gpu["nodeSelector"]) == ("nvidia", {"nvidia.com/gpu.present": "true"})
    assert {"name": "CORNERMAN_ENCODER__DEVICE", "value": "cuda"} in gpu["containers"][0]["env"]


def test_traces_reach_the_collector() -> None:
    objects = render(CHART / "examples" / "gpu.yaml")
    wanted = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel-collector.monitoring.svc:4318"}
    for role in ROLES:
        variables = pods(objects)[f"cornerman-{role}"]["containers"][0]["env"]
        assert wanted in variables and {"name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.05"} in variables
    (closed,) = (each["spec"] for each in objects if each["metadata"]["name"] == "cornerman-closed")
    assert {"ports": [{"port": 4318, "protocol": "TCP"}]} in closed["egress"]
    assert "OTEL_" not in yaml.safe_dump_all(render(CHART / "examples" / "plain.yaml"))


def test_servers_are_bounded_and_closed() -> None:
    servers = pods(render(CHART / "examples" / "plain.yaml"))
    for name, kept, policy in (("valkey", "yes", "noeviction"), ("valkey-blobs", "no", "volatile-ttl")):
        (container,) = servers[f"cornerman-{name}"]["containers"]
        options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
        assert (options["--appendonly"], options["--maxmemory-policy"]) == (kept, policy)
        assert options["--maxmemory"].endswith("mb")
        assert "requirepass" in container["command"][-2]
        assert container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "cornerman", "key": "redis-password"}


def test_own_server_replaces_ours() -> None:
    objects = render(CHART / "examples" / "own-redis.yaml")
    assert set(pods(objects)) == {f"cornerman-{role}" for role in ROLES}
    assert not [each for each in objects if each["kind"] == "Secret"]
    variables = pods(objects)["cornerman-decider"]["containers"][0]["env"]
    assert {"name": "CORNERMAN_REDIS_URL", "value": "rediss://cornerman@redis.example.com:6380/0"} in variables


def test_unknown_autoscaler_is_refused_by_name() -> None:
    command = [helm(), "template", str(CHART), "--set", "autoscaling.by=magic"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert 'autoscaling.by = "magic": give none, hpa or keda' in done.stderr


def test_keda_asks_for_a_declared_metric() -> None:
    scaled = [each for each in render(CHART / "examples" / "gpu.yaml") if each["kind"] == "ScaledObject"]
    groups = {
        each["metadata"]["name"]: re.findall(
            r'cornerman_lag_entries\{group="(\w+)"\}', each["spec"]["triggers"][0]["metadata"]["query"]
        )
        for each in scaled
    }
    assert groups == {"cornerman-encoder": ["encoder"], "cornerman-generator": ["generator"]}
    metrics = Metrics()
    for each in scaled:
        (name,) = re.findall(r"cornerman_(\w+)_sum", each["spec"]["triggers"][1]["metadata"]["query"])
        assert hasattr(metrics, name)


def test_chart_scales_as_simulated() -> None:
    """The ScaledObject carries the values that `benchmarks.scaling` reads."""
    (encoder,) = (
        each["spec"]
        for each in render(CHART / "examples" / "gpu.yaml")
        if each["kind"] == "ScaledObject" and each["metadata"]["name"] == "cornerman-encoder"
    )
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["encoder"]["autoscaling"]
    assert [float(each["metadata"]["threshold"]) for each in encoder["triggers"]] == [values["lag"], values["busy"]]
    behavior = encoder["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {"scaleDown": {"stabilizationWindowSeconds": values["scaleDownWindowS"]}}


def test_digest_replaces_the_tag() -> None:
    command = [helm(), "template", "cornerman", str(CHART), "--set", "image.digests.gateway=sha256:12"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'image: "cornerman/gateway@sha256:12"' in done.stdout
    assert 'image: "cornerman/capture:' in done.stdout


def test_exceptions_of_checkov_have_reasons() -> None:
    lines = (ROOT / "deploy" / "checkov.yaml").read_text(encoding="utf-8").splitlines()
    skipped = [number for number, line in enumerate(lines) if line.startswith("  - CKV")]
    assert skipped and all(lines[number - 1].startswith("  # ") for number in skipped)


def test_chart_matches_compose() -> None:
    """The same commands and times to stop, and every variable that compose sets by itself."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name, pod in pods(render(CHART / "examples" / "plain.yaml")).items():
        role = name.removeprefix("cornerman-")
        if role not in ROLES:
            continue
        (container,) = pod["containers"]
        assert container["command"] == services[role]["command"]
        assert f"{pod['terminationGracePeriodSeconds']}s" == services[role]["stop_grace_period"]
        given = {key for key, value in services[role]["environment"].items() if value is not None}
        there = {each["name"] for each in container["env"]}
        if role == "gateway":  # which serves its metrics on its own port, and has no folder of videos
            there |= {"CORNERMAN_GATEWAY__FILES", "CORNERMAN_RUNTIME__METRICS_HOST", "CORNERMAN_RUNTIME__METRICS_PORT"}
        assert given <= there, role


def test_plain_manifests_are_rendered_from_chart() -> None:
    """`deploy/k8s` is for those without Helm; `make chart` renders it anew."""
    text = (ROOT / "deploy" / "k8s" / "cornerman.yaml").read_text(encoding="utf-8")
    assert [each for each in yaml.safe_load_all(text) if each] == render(CHART / "examples" / "plain.yaml")
