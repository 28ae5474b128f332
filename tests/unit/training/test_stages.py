"""Stages learn what there is to learn, and a stopped one continues."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_training.checkpoints import load_state, save_state
from cornerman_training.features import SessionFeatures
from cornerman_training.gym.cli import main
from cornerman_training.gym.coach import TimedFeedback
from cornerman_training.sizes import HeadPlan, ImagePlan, VideoPlan
from cornerman_training.stages.head import score, train_head
from cornerman_training.stages.image import eager_attention, init_patches, init_positions, load_heads, train_image
from cornerman_training.stages.session_heads import action_labels
from cornerman_training.stages.video import copy_patches, init_video_positions, train_video
from cornerman_training.train_log import TrainLog
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.head import TemporalHead
from mobile_videogpt.vision import VisionHalf

TINY = MobileVideoGPTConfig.tiny()


def heard(seed: int) -> SessionFeatures:
    """A session whose features shout what is due: one value for praise, one for correction."""
    rng = np.random.default_rng(seed)
    pts = (np.arange(60) * 0.5 + 0.875).astype(np.float32)
    times = np.cumsum(rng.uniform(4.0, 7.0, 4)) + 1.0
    said = tuple(
        TimedFeedback(float(t), "correct", "x", "squat", "knees_in")
        if i % 2
        else TimedFeedback(float(t), "feedback", "x", "", "")
        for i, t in enumerate(times)
    )
    features = rng.normal(0, 1e-5, (60, TINY.feature_size)).astype(np.float32)
    none = np.zeros(60, np.int64)
    session = SessionFeatures(
        seed, features, pts, none, none, none.astype(np.float32), np.full(60, -100), none, said, 31.0, "exercise"
    )
    actions, _ = action_labels(session)
    features[:, 100] += 3.0 * (actions == 1)
    features[:, 101] += 3.0 * (actions == 2)
    return session


def test_the_head_learns_what_its_features_shout(tmp_path: Path) -> None:
    plan = HeadPlan(steps=100, batch=4, reduced=8, hidden=16, dropout=0.0, learning_rate=1e-2)
    head = train_head(TINY, plan, 1, tmp_path, [heard(i) for i in range(12)], [heard(i) for i in range(20, 24)])
    assert score(head, [heard(i) for i in range(30, 36)]).f_score > 0.9
    again = TemporalHead.load(tmp_path / "head")
    assert again.config == head.config
    assert (tmp_path / "head.png").exists()


def test_the_towers_train_in_turn_and_resume_where_they_stopped(tmp_path: Path) -> None:
    first = ImagePlan(steps=2, batch=2, pool=2, warmup=1, held=2, bf16=False)
    train_image(TINY, first, 1, tmp_path)
    state = load_state(tmp_path / "image.pt")
    assert state is not None
    assert state["step"] == 2
    vision = train_image(TINY, replace(first, steps=3), 1, tmp_path)
    state = load_state(tmp_path / "image.pt")
    assert state is not None
    assert state["step"] == 3
    image = {k: v.clone() for k, v in vision.image_vision_tower.state_dict().items()}
    video = {k: v.clone() for k, v in vision.vision_tower.state_dict().items()}
    train_video(vision, VideoPlan(steps=2, batch=1, pool=2, warmup=1, held=2, bf16=False), 1, tmp_path)
    assert all(torch.equal(image[k], v) for k, v in vision.image_vision_tower.state_dict().items())
    assert not all(torch.equal(video[k], v) for k, v in vision.vision_tower.state_dict().items())
    assert all(torch.isfinite(p).all() for p in vision.parameters())
    assert load_heads(TINY, tmp_path).trunk[0].weight.shape[1] == TINY.image.width
    with pytest.raises(ValueError, match="train the image tower first"):
        load_heads(TINY, tmp_path / "elsewhere")


def test_position_tables_tell_places_apart_and_patches_are_shared() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY)
    init_positions(vision)
    init_video_positions(vision)
    tower = vision.image_vision_tower.vision_tower
    table = tower.get_parameter("vision_model.embeddings.position_embedding.weight")[1:]
    for rows in (table, vision.vision_tower.vision_encoder.pos_embed[0, 1:]):
        likeness = torch.nn.functional.normalize(rows, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
        assert likeness.fill_diagonal_(0).max() < 0.99
    copy_patches(vision)
    source = tower.get_parameter("vision_model.embeddings.patch_embedding.weight")
    assert torch.equal(vision.vision_tower.vision_encoder.patch_embed.proj.weight[:, :, 0], source)


def test_patches_start_as_the_main_components_of_what_is_seen() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY)
    frames = torch.randint(0, 255, (32, 1, 112, 112, 3), dtype=torch.uint8)
    init_patches(vision, frames)
    tower = vision.image_vision_tower.vision_tower
    rows = tower.get_parameter("vision_model.embeddings.patch_embedding.weight").flatten(1).detach()
    likeness = torch.nn.functional.normalize(rows, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
    assert float(likeness.fill_diagonal_(0).abs().max()) < 1e-3


def test_plain_attention_changes_no_number_and_ends_with_its_context() -> None:
    torch.manual_seed(0)
    vision = VisionHalf(TINY).eval()
    frames = torch.randint(0, 255, (2, 1, 112, 112, 3), dtype=torch.uint8)
    with torch.no_grad():
        usual = vision.encode_images(frames)
        with eager_attention(vision):
            plain = vision.encode_images(frames)
        again = vision.encode_images(frames)
    assert torch.allclose(usual, plain, atol=1e-5)
    assert torch.equal(usual, again)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    assert load_state(path) is None
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"a\.pt"):
        load_state(path)
    torch.save({"step": 1}, path)
    with pytest.raises(ValueError, match="lacks model"):
        load_state(path)
    save_state(path, {"step": 4, "model": {}, "extra": {}, "optimizer": {}, "best": 0.5})
    state = load_state(path)
    assert state is not None
    assert state["step"] == 4


def test_a_journal_keeps_what_an_earlier_run_wrote(tmp_path: Path) -> None:
    TrainLog(tmp_path, "x").write(1, 2, {"loss": 1.0})
    again = TrainLog(tmp_path, "x")
    again.write(2, 2, {"loss": 0.5})
    assert [row["loss"] for row in again.rows()] == [1.0, 0.5]
    assert again.draw().stat().st_size > 1000


def test_the_gym_renders_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clip.mp4"
    assert main(["render", "--seed", "4", "--out", str(out), "--size", "64", "--fps", "8", "--duration", "4"]) == 0
    truth = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert len(truth["frames"]["exercise"]) == 32
    assert out.with_suffix(".vtt").read_text(encoding="utf-8").startswith("WEBVTT")
    assert "seed: 4" in capsys.readouterr().out
    assert main(["render", "--seed", "4", "--out", str(tmp_path / "a.avi"), "--duration", "4"]) == 2
    assert main(["render", "--seed", "4", "--out", str(out), "--size", "63"]) == 2
    assert "even number" in capsys.readouterr().err
    assert main(["sheet", "--out", str(tmp_path / "s.png"), "--size", "32", "--columns", "3", "--rows", "1"]) == 0
