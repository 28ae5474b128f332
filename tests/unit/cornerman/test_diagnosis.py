"""Checks of `cornerman doctor`: each problem has a remedy."""

import json
from pathlib import Path

import pytest

from cornerman.cli import invoke
from cornerman.local import diagnosis
from cornerman_common import model_choice
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import load_settings


@pytest.fixture(autouse=True)
def _private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path / "run"))


def test_every_check_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    invoke(["doctor", "--json"])
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"python", "torch", "device", "server", "codecs", "disk", "folder"} <= {one["what"] for one in findings}
    assert all(one["remedy"] for one in findings if one["state"] == "problem")


def test_models_in_use_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORNERMAN_GENERATOR__BACKEND", "openai")
    (finding,) = [one for one in diagnosis.examine(load_settings()) if one.what == "models"]
    assert (finding.state, "generator.base_url" in finding.found) == ("problem", True)
    monkeypatch.setenv("CORNERMAN_GENERATOR__BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("CORNERMAN_GENERATOR__MODEL", "qwen")
    (finding,) = [one for one in diagnosis.examine(load_settings()) if one.what == "models"]
    assert finding.state in ("ok", "note")
    assert "generator openai (qwen): generator.backend is set" in finding.found


@pytest.mark.parametrize(("missing", "state"), [("", "ok"), ("no weights; run: cornerman models get pose", "note")])
def test_doctor_names_the_coach(missing: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_choice, "pose_missing", lambda *_: missing)
    finding = diagnosis._models(load_settings())
    said = f"{finding.found} {finding.remedy}"
    assert (finding.state, missing in said) == (state, True)
    assert ("The coach on pictures watches" if missing else "The coach on skeletons watches") in said


def test_unreachable_server_is_a_problem(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "SERVER_S", 0.1)
    assert invoke(["doctor", "--redis", "redis://me:hunter2@127.0.0.1:1/0"]) == 1
    shown = capsys.readouterr().out
    assert "✗ server" in shown
    assert "hunter2" not in shown


def test_full_disk_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "LOW_DISK_BYTES", 2**70)
    finding = diagnosis._disk(load_settings())
    assert (finding.state, bool(finding.remedy)) == ("problem", True)


def test_missing_cuda_is_a_problem() -> None:
    pytest.importorskip("torch")
    import torch

    finding = diagnosis._device(load_settings({"encoder": {"device": "cuda"}}))
    assert finding.state == ("ok" if torch.cuda.is_available() else "problem")


def test_failed_check_does_not_stop_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_binary() -> Path:
        raise ConfigError("no Valkey or Redis server on this machine")

    monkeypatch.setattr("cornerman_shared.bus.server_binary.find_binary", no_binary)
    findings = {one.what: one for one in diagnosis.examine(load_settings())}
    assert findings["server"].state == "problem"
    assert "no Valkey" in findings["server"].found
    assert "disk" in findings
