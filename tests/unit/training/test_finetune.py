"""LoRA fine-tuning of a tiny base: it learns, resumes, and its adapter loads."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cornerman_encoder.mobile_videogpt import VisionEncoder
from cornerman_pose.framing import FRAMING_FILE, Framing
from cornerman_shared.bus.messages import Chunk, Times
from cornerman_shared.settings.tree import EncoderSettings
from cornerman_training import finetune
from cornerman_training.dialogues import Sample, read_samples, sample_frames, split_chunks
from cornerman_training.finetune import Finetuner, FinetuneSettings, main
from cornerman_training.gym.video import render_session
from cornerman_training.stages.text import train_tokenizer
from mobile_videogpt import Tokens
from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
from mobile_videogpt.context import visual_block
from mobile_videogpt.modeling import MobileVideoGPT


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    render_session(3, "train", out=folder / "a.mp4", size=64, fps=8.0, duration_s=6.0, kind="exercise")
    rows = [
        {"video": "a.mp4", "conversations": [
            {"from": "human", "value": "<video>\nWhat is wrong?"},
            {"from": "gpt", "value": "Chest up, your back is rounding."},
        ]},
        {"video": "a.mp4", "feedbacks": ["Sink lower in the squat, hips to your knees."], "feedback_timestamps": [3.0]},
    ]  # fmt: skip
    (folder / "set.json").write_text(json.dumps(rows[:1]), encoding="utf-8")
    (folder / "timed.json").write_text(json.dumps(rows[1:]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(1)
    tokenizer = train_tokenizer(640)
    tiny = MobileVideoGPTConfig.tiny()
    language = LanguageConfig(
        vocab_size=len(tokenizer), width=64, depth=2, heads=4, kv_heads=2, mlp_width=128, max_positions=2048
    )
    config = MobileVideoGPTConfig(
        video=tiny.video, image=tiny.image, projector=tiny.projector, language=language,
        action_token_ids=tuple(tokenizer.action_ids[n] for n in tiny.action_tokens),
    )  # fmt: skip
    model = MobileVideoGPT(config, "all")
    model.tokenizer = tokenizer
    model.save_pretrained(folder)
    return folder


SETTINGS = FinetuneSettings(
    rank=4, alpha=8, steps=6, accumulate=2, evaluate_every=3, warmup=1, learning_rate=5e-3, dropout=0.0
)


@pytest.mark.parametrize("framing", ["middle", "whole"])
def test_service_frames_as_training_did(
    framing: Framing, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a 9:16 video both see the same part."""
    frames = np.random.default_rng(3).integers(0, 255, (8, 112, 64, 3), np.uint8)
    monkeypatch.setattr(finetune, "sample_frames", lambda *_: frames)
    settings = replace(SETTINGS, framing=framing)
    sample = Sample(tmp_path / "a.mp4", None, "How?", "Well.", None)
    trained = Finetuner(MobileVideoGPT.from_pretrained(base, "all"), settings, tmp_path)._visual(sample)
    given = EncoderSettings(backend="mobile_videogpt", model=str(base), device="cpu", framing=framing)
    chunk = Chunk("cam", "r", 0, 1.0, tuple(n / 8 for n in range(8)), 0.1, False, False, None, False, Times())
    served = VisionEncoder.load(given).encode([chunk], [frames])[0]
    assert served.context is not None and served.video is not None
    context, video = (torch.from_numpy(one.astype(np.float32)) for one in (served.context, served.video))
    assert torch.allclose(visual_block([Tokens(context, video, torch.zeros(1))]), trained, atol=2e-3)


def test_adapter_learns_resumes_and_loads(data: Path, base: Path, tmp_path: Path) -> None:
    samples = read_samples(data / "set.json") + read_samples(data / "timed.json")
    assert [s.time_s for s in samples] == [None, 3.0]
    tuner = Finetuner(MobileVideoGPT.from_pretrained(base, "all"), SETTINGS, tmp_path)
    before = tuner.evaluate(samples)
    best = tuner.run(samples, samples)
    assert best < before

    again = Finetuner(
        MobileVideoGPT.from_pretrained(base, "all"),
        FinetuneSettings(rank=4, alpha=8, steps=8, accumulate=1, evaluate_every=2, warmup=1, dropout=0.0),
        tmp_path,
    )
    assert again.run(samples, samples) <= best
    steps = [json.loads(line)["step"] for line in (tmp_path / "finetune.jsonl").read_text().splitlines()]
    assert steps == [3, 6, 8]
    assert (tmp_path / "finetune.png").stat().st_size > 1000
    assert json.loads((tmp_path / "adapter" / FRAMING_FILE).read_text()) == {"framing": "middle"}

    plain = MobileVideoGPT.from_pretrained(base, "all")
    tuned = MobileVideoGPT.from_pretrained(base, "all", lora=tmp_path / "adapter")
    chunk = torch.from_numpy(split_chunks(sample_frames(data / "a.mp4", 3.0, 8)))
    tokens = [plain.encode_chunk(chunk)]
    assert not torch.allclose(
        plain.action_logits(tokens, "What is wrong?"), tuned.action_logits(tokens, "What is wrong?")
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def tuned(base: Path, samples: list[Sample], folder: Path, **changes: Any) -> Path:
    settings = replace(SETTINGS, **{"evaluate_every": 2, "steps": 4, **changes})
    dtype = torch.bfloat16 if settings.bf16 else torch.float32
    Finetuner(MobileVideoGPT.from_pretrained(base, "all", dtype=dtype), settings, folder).run(samples, samples)
    return folder


@pytest.fixture
def samples(data: Path) -> list[Sample]:
    return read_samples(data / "set.json") + read_samples(data / "timed.json")


def test_interrupted_run_ends_as_uninterrupted(
    base: Path, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tuned(base, samples, tmp_path / "whole", dropout=0.1)
    model = MobileVideoGPT.from_pretrained(base, "all", dtype=torch.float32)
    cut = Finetuner(model, replace(SETTINGS, evaluate_every=2, steps=4, dropout=0.1), tmp_path / "cut")
    losses = iter(range(5))  # of the third step the first sample only
    loss = cut.loss

    def until_killed(sample: Sample) -> torch.Tensor:
        if cut.peft.training and next(losses, None) is None:
            raise KeyboardInterrupt
        return loss(sample)

    monkeypatch.setattr(cut, "loss", until_killed)
    with pytest.raises(KeyboardInterrupt):
        cut.run(samples, samples)
    tuned(base, samples, tmp_path / "cut", dropout=0.1)
    assert same(whole, tmp_path / "cut")
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "finetune.jsonl").read_text().splitlines()]
    assert steps == [2, 4]


def test_seed_determines_adapter(base: Path, samples: list[Sample], tmp_path: Path) -> None:
    one = tuned(base, samples, tmp_path / "one", seed=5, steps=2)
    assert same(one, tuned(base, samples, tmp_path / "again", seed=5, steps=2))
    assert not same(one, tuned(base, samples, tmp_path / "other", seed=6, steps=2))


def test_run_without_gain_stops_early(
    base: Path, samples: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        tuned(base, samples, tmp_path, learning_rate=0.0, patience=2, evaluate_every=1, steps=50)
        assert "no better for 2 evaluations: stopped at step 3" in capsys.readouterr().out
    assert len((tmp_path / "finetune.jsonl").read_text().splitlines()) == 3


def test_gradients_of_step_are_averaged(base: Path, samples: list[Sample], tmp_path: Path) -> None:
    one = tuned(base, samples[:1], tmp_path / "one", accumulate=1, steps=2)
    four = tuned(base, samples[:1], tmp_path / "four", accumulate=4, steps=2)
    a, b = weights(one), weights(four)
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)


def test_bfloat16_base_keeps_float32_adapter(base: Path, samples: list[Sample], tmp_path: Path) -> None:
    folder = tuned(base, samples, tmp_path, bf16=True, steps=8)
    assert {weight.dtype for weight in weights(folder).values()} == {torch.float32}
    rows = [json.loads(line) for line in (folder / "finetune.jsonl").read_text().splitlines()]
    assert rows[-1]["validation_loss"] < rows[0]["validation_loss"]


def test_other_rank_is_refused(base: Path, samples: list[Sample], tmp_path: Path) -> None:
    tuned(base, samples, tmp_path, steps=2)
    with pytest.raises(ValueError, match="a run of another adapter"):
        tuned(base, samples, tmp_path, rank=2)


def test_action_model_trains_with_actions(base: Path, samples: list[Sample], tmp_path: Path) -> None:
    assert [sample.action for sample in samples] == [None, "feedback"]
    model = MobileVideoGPT.from_pretrained(base, "all")
    plain = Finetuner(model, SETTINGS, tmp_path).evaluate(samples[1:])
    model = MobileVideoGPT.from_pretrained(base, "all")
    model.config = replace(model.config, reply_action=True)
    tuner = Finetuner(model, SETTINGS, tmp_path)
    with_action = tuner.evaluate(samples[1:])
    assert with_action != plain
    assert tuner.evaluate([replace(samples[1], action="correct")]) != with_action


def test_command_trains_and_prints_folder(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--base", str(base), "--data", str(data / "timed.json"), "--validation", str(data / "set.json")]
    assert main([*line, "--out", str(tmp_path), "--steps", "2", "--accumulate", "1", "--rank", "2"]) == 0
    assert f"adapter: {tmp_path / 'adapter'}" in capsys.readouterr().out
    assert main([*line, "--out", str(tmp_path), "--rank", "4"]) == 2
    assert "another adapter" in capsys.readouterr().err


def test_bad_data_set_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no data set"):
        read_samples(tmp_path / "gone.json")
    path = data / "bad.json"
    path.write_text(json.dumps([{"video": "b.mp4", "conversations": [{}, {}]}]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no video at .*b\.mp4"):
        read_samples(path)
    path.write_text(json.dumps([{"video": "a.mp4"}]), encoding="utf-8")
    with pytest.raises(ValueError, match="neither"):
        read_samples(path)
    with pytest.raises(ValueError, match="a chunk needs 8"):
        sample_frames(data / "a.mp4", 0.2, 16)


def test_closed_folder_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    line = ["--base", "nowhere", "--data", "nothing.json", "--out", str(tmp_path / "file" / "below")]
    assert main(line) == 2
    assert "file/below" in capsys.readouterr().err
