import json
import shutil
import sys
from pathlib import Path

import pytest

from cornerman_pose.reader import bundled_net
from cornerman_pose.skeleton_coach import SkeletonCoach
from cornerman_training.skeleton import coach_gate
from cornerman_training.skeleton.coach_gate import Demand, gym_demands, people_demands

SQUATS = Path(__file__).parent / "data" / "squat_front.npz"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    shutil.copy(SQUATS, tmp_path / "squats.npz")
    row = {"clip": "squats", "exercise": "squat", "verdict": "good", "reps": [[0.2, 2.2], [2.7, 4.8], [5.1, 7.1]]}
    (tmp_path / "labels.json").write_text(json.dumps([row]))
    return tmp_path


def test_bounds_belong_to_what_is_met() -> None:
    assert Demand("a", 0.95, ("least", 0.95)).met and not Demand("a", 0.94, ("least", 0.95)).met
    assert Demand("b", 0.0, ("most", 0.0)).met and not Demand("b", 0.1, ("most", 0.0)).met
    assert Demand("b", 0.1, ("most", 0.0)).line().startswith("FAIL b")


def test_gym_and_quiet_are_demanded() -> None:
    names = [one.name for one in gym_demands(bundled_net(), sessions=1, each=1)]
    assert "gym gym temporal_f_score" in names
    assert "gym quiet false_alarms_per_min" in names


def test_folder_of_people_is_demanded(people: Path) -> None:
    found = {one.name: one for one in people_demands(people, SkeletonCoach)}
    assert found["people exercise_right"].met
    assert "made half_depth named" in found
    assert not any("push_ups" in name for name in found)


def test_unmet_demand_fails_the_gate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(coach_gate, "GYM", {("footage", "false_alarms_per_min"): ("most", -1.0)})
    monkeypatch.setattr(sys, "argv", ["coach_gate", "--sessions", "1", "--each", "1"])
    with pytest.raises(SystemExit) as stopped:
        coach_gate.main()
    assert stopped.value.code == 1
    assert "0 of 1 met" in capsys.readouterr().out
