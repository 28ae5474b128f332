"""Train the words on skeletons: `python -m cornerman_training.pose_words.train --out DIR --seed N [--smoke]`.

The folder holds the two parts that the product loads: the language half with its tokenizer for the generator, and
`projector.safetensors` for the encoder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from cornerman_pose.movements import exercise_names
from cornerman_training.outputs import check_folder
from cornerman_training.pose_words.lessons import all_texts
from cornerman_training.pose_words.objective import (
    STREAM_CHUNKS,
    STREAM_FRAMES,
    Moment,
    PoseWordsObjective,
    draw_moment,
    facts_alone,
)
from cornerman_training.pose_words.projector import JointProjector
from cornerman_training.pose_words.sessions import JointSession, draw_session
from cornerman_training.pose_words.wordings import same_meaning
from cornerman_training.sizes import coach_config
from cornerman_training.stages.loop import Fit
from mobile_videogpt.config import MobileVideoGPTConfig, ProjectorConfig, StreamConfig
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokenizer import ChatTokenizer

PROJECTOR = "projector.safetensors"
ABILITIES = {
    "topics": ["form", "count", "exercise"],
    "follows_prompts": False,
    "exercises": list(exercise_names()[1:]),
    "sees": "skeletons",
    "languages": ["en"],
}


@dataclass(frozen=True, slots=True)
class PoseWordsPlan:
    """How long and on how much; everything else follows from the seed.

    A step reads `batch` lessons about sessions and `short` about facts alone, and every `stream_every` steps
    `stream_batch` sessions for the actions. `fresh` sessions replace old ones every ten steps.
    """

    steps: int = 2600
    batch: int = 5
    short: int = 20
    learning_rate: float = 2e-3
    warmup: int = 50
    weight_decay: float = 0.03
    checkpoint_s: float = 120.0
    vocabulary: int = 900
    sessions: int = 200
    fresh: int = 4
    stream_every: int = 8
    stream_batch: int = 2
    held: int = 120


SMOKE = PoseWordsPlan(steps=60, batch=4, short=4, warmup=10, sessions=12, fresh=1, held=10)


def words_config(vocabulary: int) -> MobileVideoGPTConfig:
    """The bundled coach's language half with one token a frame and one for each half of a chunk."""
    config = coach_config(vocabulary)
    return replace(
        config,
        projector=ProjectorConfig(image_pool=1, video_pool=1),
        reply_action=True,
        stream=StreamConfig(STREAM_FRAMES, STREAM_CHUNKS),
    )


def new_model(seed: int, vocabulary: int) -> tuple[MobileVideoGPT, ChatTokenizer, JointProjector]:
    """A language half and a projector before training."""
    torch.manual_seed(seed)
    tokenizer = ChatTokenizer.train(all_texts(np.random.default_rng([seed, 1])), vocabulary)
    config = words_config(len(tokenizer))
    config = replace(config, action_token_ids=tuple(tokenizer.action_ids[name] for name in config.action_tokens))
    model = MobileVideoGPT(config, part="language")
    model.tokenizer = tokenizer
    return model, tokenizer, JointProjector(config.language.width)


def word_scores(objective: PoseWordsObjective, moments: Sequence[Moment]) -> dict[str, float]:
    """Share of replies that say the right thing: any wording of the right correction, the right words otherwise."""
    right: dict[str, list[float]] = {}
    for moment in moments:
        reply, wanted = objective.reply(moment), moment.lesson.reply
        kind = "told" if "\nSeen: " in moment.lesson.prompt else "untold"
        right.setdefault(kind, []).append(float(same_meaning(reply, wanted)))
    return {name: float(np.mean(values)) for name, values in right.items()}


def train(out: Path, seed: int, plan: PoseWordsPlan) -> dict[str, float]:
    """Trains, or continues, and exports into `out`; returns the scores on held-out sessions."""
    check_folder(out)
    began = time.process_time()
    model, tokenizer, projector = new_model(seed, plan.vocabulary)
    trained = nn.ModuleList([projector, model.require_language()])
    fit = Fit("pose_words", out, trained, nn.ModuleList(), plan)
    rng = np.random.default_rng([seed, 2, fit.step])
    sessions: list[JointSession] = [draw_session(rng) for _ in range(plan.sessions)]
    held_rng = np.random.default_rng([seed, 3])
    held = [draw_session(held_rng) for _ in range(max(4, plan.held // 10))]
    checked = [draw_moment(held_rng, held) for _ in range(plan.held)]
    objective = PoseWordsObjective(model, tokenizer, projector)
    scores: dict[str, float] = {}

    def losses(step: int) -> dict[str, Tensor]:
        if step % 10 == 9:
            sessions[: plan.fresh] = []
            sessions.extend(draw_session(rng) for _ in range(plan.fresh))
        moments = [draw_moment(rng, sessions) for _ in range(plan.batch)]
        short = [facts_alone(rng) for _ in range(plan.short)]
        found = {"words": objective.words_loss(moments), "facts": objective.words_loss(short)}
        if step % plan.stream_every == 0:
            some = [sessions[int(rng.integers(len(sessions)))] for _ in range(plan.stream_batch)]
            found["stream"] = objective.stream_loss(some, rng)
        return found

    def score() -> dict[str, float]:
        trained.eval()
        scores.update(word_scores(objective, checked))
        trained.train()
        export(model, projector, out)
        return dict(scores)

    fit.run(losses, score, score_every=200)
    cost = {"steps": fit.step, "cpu_s": round(time.process_time() - began, 1)}
    record = {"seed": seed, "plan": asdict(plan), **cost, **scores}
    (out / "scores.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return scores


def export(model: MobileVideoGPT, projector: JointProjector, folder: Path) -> None:
    """Writes the language half in half precision, the tokenizer, the projector and what the model is able to do."""
    half = MobileVideoGPT(model.config, part="language")
    half.load_state_dict(model.state_dict())
    half.tokenizer = model.tokenizer
    half.to(torch.float16).save_pretrained(folder)
    save_file(projector.exported(), folder / PROJECTOR)
    (folder / "abilities.json").write_text(json.dumps(ABILITIES, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, checkpoints and log")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="other than the plan's number of steps")
    parser.add_argument("--smoke", action="store_true", help="a short run that shows that everything works")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan = SMOKE if args.smoke else PoseWordsPlan()
    plan = replace(plan, steps=args.steps) if args.steps else plan
    print(json.dumps(train(args.out, args.seed, plan)))


if __name__ == "__main__":
    main()
