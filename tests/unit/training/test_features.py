"""What training sees is what the product's encoder gives: the same features, the same layout of context."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_training.chunks import ChunkStream
from cornerman_training.features import image_features, render_frames, watch, without_video
from cornerman_training.gym.labels import ACTIVITIES
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, IGNORE, chunk_ends, fault_labels
from cornerman_training.session_cache import SessionCache, encode_session
from cornerman_training.sizes import coach_config, load_plan, plan_from_dict
from cornerman_training.stages.loop import rate_at
from cornerman_training.stages.session_heads import feedback_moments
from cornerman_training.stages.text import TextObjective, train_tokenizer
from mobile_videogpt.config import MobileVideoGPTConfig
from mobile_videogpt.context import visual_block
from mobile_videogpt.modeling import MobileVideoGPT


@pytest.fixture(scope="module")
def model() -> MobileVideoGPT:
    torch.manual_seed(0)
    return MobileVideoGPT(MobileVideoGPTConfig.tiny(), "all").eval()


def test_features_of_a_session_equal_those_of_encode_chunk(model: MobileVideoGPT) -> None:
    session = plan_session(4, "train", fps=8.0, duration_s=4.0, kind="exercise")
    watched, _, _ = watch(model.require_vision(), session)
    frames = render_frames(session)
    for i, end in enumerate(chunk_ends(len(frames))):
        chunk = torch.from_numpy(frames[end - CHUNK + 1 : end + 1])[None]
        assert np.allclose(watched.features[i], model.encode_chunk(chunk).features[0].numpy(), atol=1e-4)
        assert watched.pts_s[i] == pytest.approx(end / 8.0)


def test_visual_tokens_of_training_equal_the_products_block(model: MobileVideoGPT) -> None:
    tokenizer = train_tokenizer(640)
    seen = encode_session(model.require_vision(), "train", 7, 5.0)
    mine = TextObjective(model, tokenizer, [seen]).visual([(0, 3)], 3)
    frames = render_frames(plan_session(7, "train", fps=8.0, duration_s=5.0))
    chunks, ids = [], []
    for end in chunk_ends(len(frames))[1:4]:
        tokens = model.encode_chunk(torch.from_numpy(frames[end - CHUNK + 1 : end + 1])[None])
        chunks.append(tokens)
        ids.append(list(range(end - CHUNK + 1, end + 1)))
    block = visual_block(chunks, ids)
    assert mine.shape == block.shape
    assert (
        float((mine.detach() - block).norm() / block.norm()) < 5e-3
    )  # training keeps the towers' tokens as half floats


def test_a_stream_of_chunks_is_labelled_and_ends_with_its_context() -> None:
    with ChunkStream(3, "train", 6, length=1, pool=4) as stream:
        assert next(iter(stream)).frames.shape == (6, 1, 112, 112, 3)
    with ChunkStream(3, "train", 4, pool=4) as stream:
        chunks = next(iter(stream))
    assert chunks.frames.shape == (4, 8, 112, 112, 3)
    assert chunks.activity.max() < len(ACTIVITIES)
    assert np.isfinite(chunks.joints).all()
    assert not stream._thread.is_alive()


def test_a_mistake_is_a_label_only_while_it_shows() -> None:
    session = plan_session(8, "train", fps=8.0, duration_s=60.0, kind="exercise")
    labels = fault_labels(session)
    assert (labels[session.phase < 0] == 0).all()
    middle = np.abs(session.phase - 0.5) < 0.1
    assert np.array_equal(labels[middle], session.fault[middle] + 1)
    assert (labels[(session.phase >= 0) & (session.phase < 0.05)] == IGNORE).all()


def test_the_coach_is_small_enough_to_bundle() -> None:
    with torch.device("meta"):
        model = MobileVideoGPT(coach_config(), "all")
    assert sum(p.numel() for p in model.parameters()) * 2 < 12e6


def test_plans_come_from_presets_and_refuse_unknown_names() -> None:
    assert load_plan("smoke").image.steps < load_plan("coach").image.steps
    assert plan_from_dict({"seed": 5, "head": {"steps": 7}}).head.steps == 7
    with pytest.raises(ValueError, match=r"head\.step"):
        plan_from_dict({"head": {"step": 7}})
    with pytest.raises(ValueError, match="neither a preset"):
        load_plan("nothing")


def test_the_rate_rises_then_falls() -> None:
    rates = [rate_at(s, 100, 10) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.03


def test_a_glance_gives_the_image_half_of_the_features(model: MobileVideoGPT) -> None:
    session = plan_session(4, "train", fps=8.0, duration_s=3.0, kind="exercise")
    vision = model.require_vision()
    watched, _, _ = watch(vision, session)
    quick = image_features(vision, session)
    bare = without_video(watched, model.config)
    assert np.allclose(quick.features, bare.features, atol=1e-4)
    assert (quick.features == 0).mean() > 0.4
    assert not np.allclose(watched.features, bare.features)


def test_a_library_keeps_what_the_towers_saw_and_goes_on_with_what_is_missing(
    model: MobileVideoGPT, tmp_path: Path
) -> None:
    vision = model.require_vision()
    (alone,) = SessionCache(tmp_path, vision, 4.0).both("train", range(3, 4))
    files = sorted(tmp_path.rglob("*.pt"))
    before = files[0].stat().st_mtime_ns
    pair = SessionCache(tmp_path, vision, 4.0, workers=1).both("train", range(3, 5))
    assert files[0].stat().st_mtime_ns == before
    expected = encode_session(vision, "train", 3, 4.0)
    for seen in (alone, pair[0]):
        assert seen.watched.feedbacks == expected.watched.feedbacks
        assert np.array_equal(seen.watched.features, expected.watched.features)
        assert torch.equal(seen.groups, expected.groups)
    assert not np.array_equal(pair[0].watched.features, pair[1].watched.features)
    quick = SessionCache(tmp_path, vision, 4.0).images("train", range(3, 4))
    assert np.allclose(quick[0].features, without_video(expected.watched, model.config).features, atol=1e-4)
    torch.manual_seed(5)
    other = MobileVideoGPT(MobileVideoGPTConfig.tiny(), "all").eval().require_vision()
    (elsewhere,) = SessionCache(tmp_path, other, 4.0).both("train", range(3, 4))
    assert not np.array_equal(elsewhere.watched.features, expected.watched.features)


def test_moments_have_their_whole_context(model: MobileVideoGPT) -> None:
    seen = encode_session(model.require_vision(), "train", 7, 20.0)
    found = feedback_moments([seen], 1.0, 4)
    assert found
    for _, chunk, feedback in found:
        assert chunk >= 3
        assert -0.3 <= seen.watched.pts_s[chunk] - seen.watched.feedbacks[feedback].time_s < 1.0
