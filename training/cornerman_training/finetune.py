"""`python -m cornerman_training.finetune`: trains a LoRA adapter from timed feedback in JSON.

The towers are frozen. `MobileVideoGPT.from_pretrained(lora=...)` loads the adapter folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from cornerman_pose.errors import PoseError
from cornerman_pose.framing import FRAMING_FILE, Framer, Framing
from cornerman_training.checkpoints import TrainingState, load_state, save_state
from cornerman_training.dialogues import Sample, read_samples, sample_frames, split_chunks
from cornerman_training.outputs import check_folder
from cornerman_training.sampling import CHUNK, SAMPLE_FPS
from cornerman_training.stages.loop import rate_at
from cornerman_training.train_log import TrainLog
from mobile_videogpt.context import visual_block
from mobile_videogpt.errors import ModelError
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.prompts import prompt_ids
from mobile_videogpt.special_tokens import IM_END
from mobile_videogpt.transformers_api import adapters_created

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_CACHE_BYTES = 1 << 30
_PTS_S: Final = tuple(number / SAMPLE_FPS for number in range(CHUNK))


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Settings of a fine-tuning run.

    Attributes:
        frames: newest frames of a sample.
        accumulate: samples a step; their gradients are averaged.
        patience: evaluations without a better validation loss before it stops; 0 never stops early.
        bf16: weights and activations of the base in bfloat16; the adapter stays float32.
        framing: part of the frames that the model sees, as `encoder.framing` in service.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    steps: int = 500
    accumulate: int = 8
    frames: int = 16
    warmup: int = 20
    evaluate_every: int = 25
    patience: int = 4
    seed: int = 1
    bf16: bool = False
    framing: Framing = "middle"


@dataclass(frozen=True, slots=True)
class _Chunk:
    context: Tensor
    video: Tensor


class Finetuner:
    """One run: a base model with an adapter, and the samples.

    Args:
        model: both halves, with a tokenizer.
        settings: of the run.
        folder: for the adapter, its state and its curves.

    Raises:
        ValueError: if the model has no tokenizer.
        PoseError: the framing needs weights that are missing.
    """

    def __init__(self, model: MobileVideoGPT, settings: FinetuneSettings, folder: Path) -> None:
        if model.tokenizer is None:
            raise ValueError("the base model has no tokenizer; give a checkpoint with tokenizer files")
        self._model, self._tokenizer = model, model.tokenizer
        self._settings, self._folder = settings, folder
        self._framer = Framer.load(settings.framing)
        torch.manual_seed(settings.seed)
        model.requires_grad_(False)
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=list(TARGETS),
            task_type="CAUSAL_LM",
        )
        with adapters_created():
            self.peft: PeftModel = get_peft_model(model.require_language(), config, autocast_adapter_dtype=True)
        self._device = model.require_vision().device
        self._cache: dict[Sample, Tensor] = {}

    def loss(self, sample: Sample) -> Tensor:
        """Cross entropy of the reply."""
        visual = self._visual(sample)
        config = self._model.config
        action = sample.action if config.reply_action else None
        ids = prompt_ids(sample.prompt, config.system_prompt, self._tokenizer, action)
        end = self._tokenizer.id_of(IM_END)
        assert end is not None
        reply = [*self._tokenizer.encode_plain(sample.reply), end]
        table = self._model.require_language().get_input_embeddings()

        def embed(part: Sequence[int]) -> Tensor:
            out: Tensor = table(torch.tensor([list(part)], dtype=torch.long, device=self._device))
            return out

        start = torch.cat([embed(ids.prefix), visual.to(embed(ids.prefix).dtype), embed(ids.suffix)], 1)
        # The reply is shifted by one: its last token is predicted and never read.
        whole = torch.cat([start, embed(reply[:-1])], 1) if len(reply) > 1 else start
        output = self.peft(inputs_embeds=whole, use_cache=False, logits_to_keep=len(reply))
        return F.cross_entropy(output.logits[0].float(), torch.tensor(reply, device=self._device))

    def _visual(self, sample: Sample) -> Tensor:
        """Visual tokens [1,n,D]; the towers are frozen, so tokens are cached, up to `_CACHE_BYTES` in all."""
        cached = self._cache.get(sample)
        if cached is not None:
            return cached
        frames = sample_frames(sample.video, sample.time_s, self._settings.frames)
        # As in service, each chunk is framed by itself.
        framed = [self._framer.framed(chunk, _PTS_S) for chunk in split_chunks(frames)]
        alike = len({chunk.shape for chunk in framed}) == 1
        batches = [np.stack(framed)] if alike else [chunk[None] for chunk in framed]
        encoded = [self._model.encode_chunk(torch.from_numpy(batch)) for batch in batches]
        chunks = [
            _Chunk(c, v)
            for tokens in encoded
            for c, v in zip(tokens.context.clone(), tokens.video.clone(), strict=True)
        ]
        visual = visual_block(chunks)
        if (len(self._cache) + 1) * visual.nbytes <= _CACHE_BYTES:
            self._cache[sample] = visual
        return visual

    def run(self, train: Sequence[Sample], validation: Sequence[Sample]) -> float:
        """Trains, or continues; returns the best validation loss (the training loss without validation samples).

        An interrupted and continued run ends as an uninterrupted one: random draws depend on seed and step only.

        Raises:
            ValueError: if there are no samples, or the folder has a run of another adapter.
        """
        if not train:
            raise ValueError("no samples to train on: the data set is empty")
        s = self._settings
        trained = [p for p in self.peft.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=s.learning_rate, weight_decay=0.01)
        step, best, waited = 0, float("inf"), 0
        state = load_state(self._folder / "finetune.pt")
        if state is not None:
            self._continue(state, optimizer)
            step, best, waited = state["step"], state["best"], int(state["extra"]["waited"])
        log = TrainLog(self._folder, "finetune")
        total, since = 0.0, 0
        while step < s.steps and not self._stops_early(step, waited):
            self.peft.train()
            rng = np.random.default_rng([s.seed, step])
            # Dropout draws from torch's generator; seeding it here makes a step independent of earlier ones.
            torch.manual_seed(int(rng.integers(1 << 31)))
            for group in optimizer.param_groups:
                group["lr"] = s.learning_rate * rate_at(step, s.steps, s.warmup)
            optimizer.zero_grad(set_to_none=True)
            for _ in range(s.accumulate):
                loss = self.loss(train[int(rng.integers(len(train)))]) / s.accumulate
                torch.autograd.backward(loss)
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            step, since = step + 1, since + 1
            if step % s.evaluate_every and step != s.steps:
                continue
            report = {"loss": total / since}
            report["validation_loss"] = self.evaluate(validation) if validation else report["loss"]
            log.write(step, s.steps, report)
            total, since = 0.0, 0
            if report["validation_loss"] < best:
                best, waited = report["validation_loss"], 0
                self.peft.save_pretrained(str(self._folder / "adapter"), save_embedding_layers=False)
                (self._folder / "adapter" / FRAMING_FILE).write_text(json.dumps({"framing": s.framing}))
            else:
                waited += 1
            self._save(step, optimizer, best, waited)
            log.draw()
        return best

    def _stops_early(self, step: int, waited: int) -> bool:
        patience = self._settings.patience
        if not patience or waited < patience:
            return False
        print(f"[finetune] no better for {waited} evaluations: stopped at step {step}", flush=True)
        return True

    def _continue(self, state: TrainingState, optimizer: torch.optim.Optimizer) -> None:
        # Shapes tell the rank and the base; equal ones are the same adapter.
        own = {
            name: tuple(weight.shape)
            for name, weight in get_peft_model_state_dict(self.peft, save_embedding_layers=False).items()
        }
        if own != {name: tuple(weight.shape) for name, weight in state["model"].items()}:
            raise ValueError(
                f"{self._folder} holds a run of another adapter; its rank or base differs. "
                f"Give rank {self._settings.rank} a folder of its own"
            )
        set_peft_model_state_dict(self.peft, state["model"])
        optimizer.load_state_dict(state["optimizer"])

    @torch.no_grad()
    def evaluate(self, samples: Sequence[Sample]) -> float:
        """Mean loss over samples."""
        self.peft.eval()
        return float(np.mean([float(self.loss(sample)) for sample in samples]))

    def _save(self, step: int, optimizer: torch.optim.Optimizer, best: float, waited: int) -> None:
        weights = {
            k: v.detach().clone() for k, v in get_peft_model_state_dict(self.peft, save_embedding_layers=False).items()
        }
        save_state(
            self._folder / "finetune.pt",
            {
                "step": step,
                "model": weights,
                "extra": {"waited": torch.tensor(waited)},
                "optimizer": optimizer.state_dict(),
                "best": best,
            },
        )


_DEFAULT = FinetuneSettings()


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cornerman_training.finetune", description=__doc__)
    parser.add_argument("--base", required=True, help="folder or hub name of the base model")
    parser.add_argument("--data", type=Path, required=True, help="JSON of conversations or timed feedbacks")
    parser.add_argument("--videos", type=Path, default=None, help="folder of the videos; beside the JSON when absent")
    parser.add_argument("--validation", type=Path, default=None, help="JSON of the same kind, for early stop")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=_DEFAULT.steps)
    parser.add_argument("--rank", type=int, default=_DEFAULT.rank)
    parser.add_argument("--rate", type=float, default=_DEFAULT.learning_rate)
    parser.add_argument("--accumulate", type=int, default=_DEFAULT.accumulate)
    parser.add_argument("--frames", type=int, default=_DEFAULT.frames, help="newest frames that a sample shows")
    parser.add_argument("--evaluate-every", type=int, default=_DEFAULT.evaluate_every, help="steps")
    parser.add_argument(
        "--patience", type=int, default=_DEFAULT.patience, help="evaluations without a gain before it stops; 0: never"
    )
    parser.add_argument("--seed", type=int, default=_DEFAULT.seed)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument(
        "--framing",
        choices=get_args(Framing),
        default=_DEFAULT.framing,
        help="part of the frames that the model sees; encoder.framing must be the same in service",
    )
    args = parser.parse_args(argv)
    settings = FinetuneSettings(
        rank=args.rank,
        alpha=2 * args.rank,
        learning_rate=args.rate,
        steps=args.steps,
        accumulate=args.accumulate,
        frames=args.frames,
        evaluate_every=args.evaluate_every,
        patience=args.patience,
        seed=args.seed,
        bf16=args.bf16,
        framing=args.framing,
    )
    try:
        check_folder(args.out)
        train = read_samples(args.data, args.videos)
        validation = read_samples(args.validation, args.videos) if args.validation else []
        dtype = torch.bfloat16 if args.bf16 else torch.float32
        model = MobileVideoGPT.from_pretrained(args.base, "all", dtype=dtype)
        best = Finetuner(model, settings, args.out).run(train, validation)
    except (ValueError, OSError, ModelError, PoseError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"adapter: {args.out / 'adapter'} (best loss {best:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
