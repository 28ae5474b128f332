"""LoRA fine-tuning of a tiny base from timed feedbacks: it learns, resumes, and its adapter loads in the product."""

import json
from pathlib import Path

import pytest
import torch

from mobile_videogpt.config import LanguageConfig, MobileVideoGPTConfig
from mobile_videogpt.modeling import MobileVideoGPT
from training.dialogues import read_samples, sampled, split_chunks
from training.finetune import Finetuner, Settings
from training.gym.video import render_session
from training.stages.text import train_tokenizer


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


SETTINGS = Settings(rank=4, alpha=8, steps=6, accumulate=2, evaluate_every=3, warmup=1, learning_rate=5e-3, dropout=0.0)


def test_an_adapter_learns_resumes_and_loads_in_the_product(data: Path, base: Path, tmp_path: Path) -> None:
    samples = read_samples(data / "set.json") + read_samples(data / "timed.json")
    assert [s.time_s for s in samples] == [None, 3.0]
    tuner = Finetuner(MobileVideoGPT.from_pretrained(base, "all"), SETTINGS, tmp_path)
    before = tuner.evaluate(samples)
    best = tuner.run(samples, samples)
    assert best < before

    again = Finetuner(
        MobileVideoGPT.from_pretrained(base, "all"),
        Settings(rank=4, alpha=8, steps=8, accumulate=1, evaluate_every=2, warmup=1, dropout=0.0),
        tmp_path,
    )
    assert again.run(samples, samples) <= best
    steps = [json.loads(line)["step"] for line in (tmp_path / "finetune.jsonl").read_text().splitlines()]
    assert steps == [3, 6, 8]
    assert (tmp_path / "finetune.png").stat().st_size > 1000

    plain = MobileVideoGPT.from_pretrained(base, "all")
    tuned = MobileVideoGPT.from_pretrained(base, "all", lora=tmp_path / "adapter")
    chunk = torch.from_numpy(split_chunks(sampled(data / "a.mp4", 3.0, 8)))
    tokens = [plain.encode_chunk(chunk)]
    assert not torch.allclose(
        plain.action_logits(tokens, "What is wrong?"), tuned.action_logits(tokens, "What is wrong?")
    )


def test_bad_data_sets_say_what_is_wrong(data: Path, tmp_path: Path) -> None:
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
        sampled(data / "a.mp4", 0.2, 16)
