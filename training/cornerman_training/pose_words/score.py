"""The words of a folder, row by row: `python -m cornerman_training.pose_words.score FOLDER`.

Every row asks for as many sentences as another, through the code that serves them: the projector in numpy, the
generator's prompts, greedy decoding. The pictures are moments of sessions that were not trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.random import Generator

from cornerman_pose.movements import form_rules
from cornerman_pose.tokens import CHANNELS_IN, JOINTS, PoseProjector
from cornerman_training.pose_words.lessons import (
    CONTEXT,
    QUESTIONS,
    Fault,
    Lesson,
    LessonScene,
    asked,
    random_scene,
    spoken,
    with_bad_view,
    with_count,
    with_others,
)
from cornerman_training.pose_words.sessions import draw_session
from cornerman_training.pose_words.wordings import PROMPTS, is_specific, same_meaning
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokens import Tokens

if TYPE_CHECKING:
    from cornerman_training.pose_words.sessions import JointSession

SEED: Final = 5
CORRECTION: Final = "correction"
NAMED: Final = "names body part or tempo"
"""Of the replies to `CORRECTION`; see `is_specific`."""

Draw = Callable[[Generator], Lesson]


def rows() -> dict[str, Draw]:
    """What each row asks for: the coach's own sentences, then every kind of question."""
    found: dict[str, Draw] = {
        CORRECTION: _correction,
        "praise with its count": _praise,
        "a bad view": lambda rng: _said(rng, with_bad_view(rng, random_scene(rng))),
        "who is watched": lambda rng: _said(rng, replace(with_others(rng, random_scene(rng)), mistakes=())),
    }
    return found | {f"asked: {kind}": partial(_question, kind=kind) for kind in QUESTIONS}


def score(folder: Path, each: int, seed: int = SEED) -> tuple[dict[str, int], list[str]]:
    """Right replies of each row out of `each`, and the wrong ones as "prompt -> reply; wanted".

    Raises:
        CheckpointError: the folder holds no language half.
    """
    model = MobileVideoGPT.from_pretrained(folder, part="language", device="cpu")
    projector = PoseProjector.load(folder / "projector.safetensors")
    rng = np.random.default_rng([seed, 1])
    sessions = [draw_session(rng) for _ in range(4)]
    right: dict[str, int] = {}
    wrong: list[str] = []
    for number, (name, draw) in enumerate(rows().items()):
        rng = np.random.default_rng([seed, 2, number])  # one stream a row: a new row leaves the others as they are
        right[name] = 0
        for _ in range(each):
            lesson = draw(rng)
            reply = _reply(model, _picture(rng, projector, sessions, lesson), lesson, own=name.startswith("asked"))
            if name == CORRECTION:
                right[NAMED] = right.get(NAMED, 0) + is_specific(reply)
            if same_meaning(reply, lesson.reply):
                right[name] += 1
            else:
                wrong.append(f"{name}: {lesson.prompt.rpartition('Seen: ')[2]} -> {reply}; wanted {lesson.reply}")
    return right, wrong


def _said(rng: Generator, scene: LessonScene) -> Lesson:
    return spoken(rng, scene, prompt=PROMPTS[0])


def _correction(rng: Generator) -> Lesson:
    rule = form_rules()[int(rng.integers(len(form_rules())))]
    return _said(rng, with_count(rng, LessonScene(rule.exercise, 1, (Fault(rule.name),))))


def _praise(rng: Generator) -> Lesson:
    scene = random_scene(rng)
    return _said(rng, replace(scene, mistakes=(), repetitions=max(3, scene.repetitions)))


def _question(rng: Generator, kind: str) -> Lesson:
    known = next(one for one in QUESTIONS if one == kind)
    scene = random_scene(rng)
    return asked(rng, with_bad_view(rng, scene) if rng.uniform() < 0.1 else scene, known)


def _picture(
    rng: Generator, projector: PoseProjector, sessions: Sequence[JointSession], lesson: Lesson
) -> list[Tokens]:
    """Three chunks of a session; without a person where the facts say so."""
    if "nobody in view" in lesson.prompt:
        features = np.zeros((CONTEXT, 8, JOINTS, CHANNELS_IN), np.float32)
    else:
        session = sessions[int(rng.integers(len(sessions)))]
        features = session.chunk_features(int(rng.integers(session.chunks - CONTEXT)), CONTEXT)
    found = [projector.project(rows) for rows in features]
    return [Tokens(torch.from_numpy(one.context), torch.from_numpy(one.video), torch.zeros(1)) for one in found]


def _reply(model: MobileVideoGPT, picture: Sequence[Tokens], lesson: Lesson, *, own: bool) -> str:
    """The greedy reply; `own` = the model chooses its action, as it does for questions."""
    action = None if own else ("", "feedback", "correct")[lesson.action]
    return "".join(delta.text for delta in model.generate(picture, lesson.prompt, max_new_tokens=24, action=action))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="language half and projector")
    parser.add_argument("--each", type=int, default=48, help="sentences a row")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--wrong", action="store_true", help="print the wrong replies too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    right, wrong = score(args.folder, args.each, args.seed)
    for line in wrong if args.wrong else ():
        print(line)
    print(json.dumps({name: f"{count}/{args.each}" for name, count in right.items()}))


if __name__ == "__main__":
    main()
