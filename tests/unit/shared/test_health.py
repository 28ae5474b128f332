"""The five states, the file, and the probe that reads it."""

import gc
import json
from pathlib import Path

import pytest

from cornerman_shared.clock import VirtualClock
from cornerman_shared.process import health
from cornerman_shared.process.health import Health, probe, sweep


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_probe_follows_the_states(tmp_path: Path, clock: VirtualClock) -> None:
    own = Health("encoder", "w1", clock, tmp_path)
    answers = {}
    for state in ("starting", "running", "draining", "stopped"):
        own.set_state(state)
        own.write()
        answers[state] = probe(tmp_path, "encoder", now_s=clock.now_s())[0]
    own.fail("a batch computes for too long")
    own.write()
    assert probe(tmp_path, "encoder", now_s=clock.now_s())[1] == (
        "encoder w1 is unhealthy: a batch computes for too long"
    )
    assert answers == {"starting": False, "running": True, "draining": True, "stopped": False}


def test_stale_file_is_unhealthy(tmp_path: Path, clock: VirtualClock) -> None:
    own = Health("encoder", "w1", clock, tmp_path)
    own.set_state("running")
    own.write()
    clock.advance(health.FRESH_S + 1)
    healthy, sentence = probe(tmp_path, "encoder", now_s=clock.now_s())
    assert not healthy
    assert "hangs or was killed" in sentence


def test_missing_file_names_the_folder(tmp_path: Path) -> None:
    healthy, sentence = probe(tmp_path, "decider")
    assert not healthy
    assert str(tmp_path) in sentence


def test_one_healthy_worker_is_enough(tmp_path: Path, clock: VirtualClock) -> None:
    for name, state in (("w1", "stopped"), ("w2", "running")):
        own = Health("encoder", name, clock, tmp_path)
        own.set_state(state)  # type: ignore[arg-type]
        own.write()
    assert probe(tmp_path, "encoder", now_s=clock.now_s())[0]
    assert not probe(tmp_path, "encoder", "w1", now_s=clock.now_s())[0]


def test_loading_a_model_counts_as_starting(clock: VirtualClock) -> None:
    own = Health("generator", "w1", clock)
    own.set_state("running")
    with own.loading():
        assert own.status().state == "starting"
        own.set_state("draining")
        assert own.state == "draining"
    own.set_state("running")
    assert own.state == "running"


def test_collector_rests_while_a_model_loads(clock: VirtualClock) -> None:
    own = Health("generator", "g", clock)
    frozen = gc.get_freeze_count()
    try:
        with own.loading():
            assert not gc.isenabled()
        assert gc.isenabled() and gc.get_freeze_count() > frozen
        with pytest.raises(OSError, match="no model"), own.loading():
            raise OSError("no model")
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_status_holds_reported_numbers(clock: VirtualClock) -> None:
    own = Health("capture", "w1", clock)
    own.progress(3)
    own.report(fps=29.9)
    clock.advance(2.0)
    status = own.status()
    assert (status.busy, status.detail["fps"], status.detail["idle_s"]) == (3, 29.9, 2.0)
    own.progress()
    assert own.status().detail["idle_s"] == 0.0
    assert status.rss_bytes > 0


def test_broken_file_is_unhealthy_and_swept(tmp_path: Path) -> None:
    (tmp_path / "encoder-w1.health").write_text("{")
    assert not probe(tmp_path, "encoder")[0]
    assert sweep(tmp_path, "encoder") == 1
    assert list(tmp_path.iterdir()) == []


def test_sweep_keeps_live_processes(tmp_path: Path, clock: VirtualClock) -> None:
    Health("encoder", "alive", clock, tmp_path).write()
    dead = Health("encoder", "dead", clock, tmp_path)
    dead.write()
    path = tmp_path / "encoder-dead.health"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": 2**22 + 1}))
    assert sweep(tmp_path, "encoder") == 1
    assert [item.name for item in tmp_path.iterdir()] == ["encoder-alive.health"]


def test_orderly_end_leaves_no_file(tmp_path: Path, clock: VirtualClock) -> None:
    own = Health("encoder", "w1", clock, tmp_path)
    own.write()
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_command_prints_sentence_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORNERMAN_RUNTIME__DIR", str(tmp_path))
    assert health.main(["encoder"]) == 1
    assert "no health" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        health.main([])
