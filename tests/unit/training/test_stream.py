"""The streaming objective: the same logits as the decider's strategy `llm`, and training on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cornerman_decider.strategies.llm import newest_tokens
from cornerman_decider.strategies.rolling import RollingActionModel
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import ChunkRef
from cornerman_training.features import SessionFeatures
from cornerman_training.gym.coach import TimedFeedback
from cornerman_training.sampling import CHUNK, STRIDE
from cornerman_training.session_cache import EncodedSession
from cornerman_training.stages.session_heads import SessionHeads, action_labels, feedback_windows
from cornerman_training.stages.stream import StreamingObjective, draw_history
from mobile_videogpt.config import MobileVideoGPTConfig, StreamConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import tiny_tokenizer

PROMPT = "Coach the squat."
TINY = MobileVideoGPTConfig.tiny()


def encoded(seed: int, chunks: int = 30) -> EncodedSession:
    """A session of random tokens, with a feedback every five seconds."""
    rng = np.random.default_rng(seed)
    pts = (np.arange(chunks) * 0.5 + 0.875).astype(np.float32)
    feedbacks = tuple(
        TimedFeedback(t, "correct", "x", "squat", "knees_in") if i % 2 else TimedFeedback(t, "feedback", "x", "", "")
        for i, t in enumerate(np.arange(2.0, pts[-1], 5.0).tolist())
    )
    none = np.zeros(chunks, np.int64)
    watched = SessionFeatures(seed, np.zeros((chunks, TINY.feature_size), np.float32), pts, none, none,
                      none.astype(np.float32), np.full(chunks, -100), none, feedbacks, 20.0, "exercise")  # fmt: skip
    frames = CHUNK + STRIDE * (chunks - 1)
    images = torch.from_numpy(rng.standard_normal((frames, TINY.image.grid**2, TINY.image.width)).astype(np.float16))
    size = TINY.num_select_k * TINY.video.grid**2
    groups = torch.from_numpy(rng.standard_normal((chunks, 2, size, TINY.video.width)).astype(np.float16))
    return EncodedSession(watched, images, groups)


@pytest.fixture(scope="module")
def model() -> MobileVideoGPT:
    torch.manual_seed(5)
    tokenizer = tiny_tokenizer()
    model = MobileVideoGPT(replace(TINY, language=replace(TINY.language, vocab_size=384))).eval()
    model.tokenizer = tokenizer
    return model


def test_each_feedback_is_given_once() -> None:
    session = encoded(1).session
    due, _ = action_labels(session)
    target, taken = draw_history(session, np.random.default_rng(2))
    assert np.count_nonzero(taken) == len(feedback_windows(session)) > 1
    for feedback, near in feedback_windows(session):
        at = int(near[np.flatnonzero(taken[near])[0]])
        assert taken[at] == due[at] == (2 if session.feedbacks[feedback].mistake else 1)
        assert (target[near[near <= at]] == due[at]).all()
        assert (target[near[near > at]] == 0).all()
    assert (target[due == 0] == 0).all()


@pytest.mark.parametrize("frames", [0, 3])
def test_training_logits_equal_the_deciders(model: MobileVideoGPT, frames: int) -> None:
    tokenizer, session = tiny_tokenizer(), encoded(3, 6)
    _, taken = draw_history(session.session, np.random.default_rng(2))
    stream = StreamingObjective(model, tokenizer, frames)
    with torch.no_grad():
        taught = stream.logits(stream.hidden([session], [taken], 0, PROMPT))[0].numpy()
    model.config = replace(model.config, stream=StreamConfig(frames, 6, (0.0, 0.5, -0.5)))
    decider = RollingActionModel(model)
    context, vision = decider.open(PROMPT), model.require_vision()
    for i, action in enumerate(taken.tolist()):
        with torch.no_grad():
            images = vision.project_images(session.images[None, i * STRIDE : i * STRIDE + CHUNK].float())[0]
            video = vision.mm_projector(session.groups[i].float()).flatten(0, 1)
        chunk = ChunkInput(ChunkRef(i, 0.0, (), None, None, None), images.numpy(), video.numpy())
        logits = context.append_chunk(newest_tokens(chunk, decider.frames))
        np.testing.assert_allclose(logits, taught[i] + [0.0, 0.5, -0.5], atol=2e-4)
        context.append_action(action)


def test_context_drops_whole_chunks(model: MobileVideoGPT) -> None:
    model.config = replace(model.config, stream=StreamConfig(1, 12))
    context = RollingActionModel(model).open(PROMPT)
    session = context._session  # type: ignore[attr-defined]
    start, chunk = session.length, model.config.stream_tokens
    lengths = []
    for _ in range(30):
        context.append_chunk(np.zeros((chunk - 1, TINY.language.width), np.float16))
        context.append_action(0)
        lengths.append(session.length)
    assert lengths[11] == max(lengths) == start + 12 * chunk
    assert {(length - start) % chunk for length in lengths} == {0}


def test_loss_falls_and_skips_cut(model: MobileVideoGPT) -> None:
    torch.manual_seed(1)
    sessions, stream = [encoded(7), encoded(8)], StreamingObjective(model, tiny_tokenizer(), 1)
    heads = SessionHeads(TINY.language.width)
    every = torch.nn.ModuleList([model, heads]).train()
    optimizer = torch.optim.AdamW(every.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = stream.loss(sessions, heads, np.random.default_rng(4), PROMPT)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        assert stream.hidden(sessions, [np.zeros(30, np.int64)] * 2, 2, PROMPT).shape[:2] == (2, 28)
        assert torch.isfinite(stream.loss(sessions, heads, np.random.default_rng(4), PROMPT, 2))


def test_calibration_gives_stream_config(model: MobileVideoGPT) -> None:
    config, f_score = StreamingObjective(model, tiny_tokenizer(), 2).calibrate([encoded(1), encoded(2)], PROMPT)
    assert (config.frames, config.chunks, len(config.offsets)) == (2, 30, 3)
    assert 0 <= f_score <= 1
