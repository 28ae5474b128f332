"""Words on skeletons: lessons, sessions of joints, and a short training whose folder the product loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cornerman_pose.facts import facts_line
from cornerman_pose.tokens import PoseProjector
from cornerman_training.pose_words.lessons import (
    CONTEXT,
    Fault,
    LessonScene,
    asked,
    random_scene,
    spoken,
    with_bad_view,
)
from cornerman_training.pose_words.objective import PoseWordsObjective, draw_moment
from cornerman_training.pose_words.sessions import JointSession, draw_session
from cornerman_training.pose_words.train import PROJECTOR, SMOKE, PoseWordsPlan, new_model, train
from cornerman_training.pose_words.wordings import NAMES, NUMBERS, TENS, counted, number
from mobile_videogpt.context import visual_block
from mobile_videogpt.modeling import MobileVideoGPT
from mobile_videogpt.tokens import Tokens

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def sessions() -> list[JointSession]:
    return [draw_session(np.random.default_rng(seed)) for seed in (1, 2, 3)]


def test_counts_are_words() -> None:
    assert [counted("squat", n) for n in (0, 1, 8)] == ["zero squats", "one squat", "eight squats"]
    assert [number(n) for n in (20, 22, 40, 99, 100)] == ["twenty", "twenty-two", "forty", "ninety-nine", "100"]
    assert len(NAMES) == 12


def test_number_word_is_one_token() -> None:
    _, tokenizer, _ = new_model(0, PoseWordsPlan().vocabulary)
    assert all(len(tokenizer.encode_plain(f" {word}")) == 1 for word in (*NUMBERS, *TENS[2:]))
    assert all(len(tokenizer.encode_plain(f" twenty-{word}")) <= 3 for word in NUMBERS[1:10])


def test_answer_counts_as_praise_does() -> None:
    answer = asked(RNG, LessonScene("lunge", 17), "count").reply
    praised = spoken(RNG, LessonScene("lunge", 17), told=True).reply
    assert answer == "That's seventeen lunges so far." and praised.startswith("That's seventeen lunges. ")


def test_correction_names_a_mistake_of_the_facts() -> None:
    lesson = spoken(RNG, LessonScene("push_up", 5, (Fault("hips_high"),)), told=True)
    assert lesson.action == 2 and "hips" in lesson.reply.lower()
    assert lesson.prompt.endswith("Seen: push up, 5 repetitions; last one hips high; whole body in view.")


def test_praise_tells_the_count() -> None:
    told = spoken(RNG, LessonScene("plank", 12), told=True)
    untold = spoken(RNG, LessonScene("plank", 12), told=False)
    assert told.reply.startswith("That's twelve seconds of plank. ")
    assert "twelve" not in untold.reply and "Seen" not in untold.prompt


@pytest.mark.parametrize(
    ("scene", "reply"),
    [
        (LessonScene("squat", 3, view="partly", missing=("feet",)), "Step back until I can see your feet."),
        (LessonScene("squat", 3, limits=("too_dark",)), "It is too dark, turn on a light."),
        (LessonScene(view="no_person"), "I cannot see you, come closer to the camera."),
        (LessonScene(view="no_person", limits=("too_dark",)), "It is too dark, turn on a light."),
        (LessonScene("squat", 1, people=2, whom="the person on the left"), "I am watching the person on the left."),
        (LessonScene(limits=("too_far",)), "Come closer, you are too far away."),
    ],
    ids=["feet", "dark", "nobody", "nobody in the dark", "two people", "far"],
)
def test_bad_view_asks_for_a_better_one(scene: LessonScene, reply: str) -> None:
    assert spoken(RNG, scene, told=True).reply == reply


def test_hidden_hands_do_not_stop_a_squat() -> None:
    lesson = spoken(RNG, LessonScene("squat", 3, view="partly", missing=("hands",)), told=True)
    assert lesson.reply.startswith("That's three squats.")


def test_answers_come_from_the_facts() -> None:
    scene, found = LessonScene("squat", 8, (Fault("round_back"),)), set()
    for _ in range(300):
        lesson = asked(RNG, scene)
        found.add((lesson.prompt.partition("\n")[0], lesson.reply))
    replies = dict(found)
    assert replies["How many?"] == "That's eight squats so far."
    assert replies["Which exercise?"] == "Squats."
    assert replies["Is my back straight?"].startswith("No. ")
    assert replies["Tell me a joke."] == "I can only tell you about your exercise."
    assert facts_line(scene) == "squat, 8 repetitions; last one round back; whole body in view"


def test_no_one_in_view_is_said() -> None:
    replies = {asked(RNG, LessonScene(view="no_person")).reply for _ in range(40)}
    assert replies == {"I cannot see you.", "I can only tell you about your exercise."}


def test_any_scene_has_a_lesson() -> None:
    for _ in range(300):
        scene = with_bad_view(RNG, random_scene(RNG)) if RNG.uniform() < 0.5 else random_scene(RNG)
        for lesson in (spoken(RNG, scene, told=True), spoken(RNG, scene, told=False), asked(RNG, scene)):
            assert not lesson.reply[0].islower() and lesson.reply.endswith((".", "?"))


def test_sessions_have_due_actions_at_ends(sessions: list[JointSession]) -> None:
    assert any(session.ends for session in sessions)
    for session in sessions:
        assert session.features.shape == (320, 19, 9) and len(session.due) == session.chunks == 79
        spoken_chunks = np.flatnonzero(session.due)
        last_frames = 4 * spoken_chunks + 7
        ends = np.array([end.frame for end in session.ends])
        assert all(((last - ends) > 0).any() and min(abs(last - ends)) <= 7 for last in last_frames)
        assert not session.chunk_features(5, 3)[:, 0, :, 6:].any()


def test_context_is_joined_as_the_product_joins_it(sessions: list[JointSession]) -> None:
    model, tokenizer, projector = new_model(0, 600)
    objective = PoseWordsObjective(model, tokenizer, projector)
    moment = draw_moment(np.random.default_rng(0), sessions)
    trained = objective.visual([moment])
    ours = PoseProjector(projector.exported())
    features = moment.session.chunk_features(moment.chunk - CONTEXT + 1, CONTEXT)
    chunks = []
    for rows in features:
        tokens = ours.project(rows)
        chunks.append(Tokens(torch.from_numpy(tokens.context), torch.from_numpy(tokens.video), torch.zeros(1)))
    ids = [[4 * number + frame for frame in range(8)] for number in range(CONTEXT)]
    torch.testing.assert_close(visual_block(chunks, ids), trained.detach(), atol=1e-5, rtol=1e-4)


def test_short_training_gives_a_loadable_folder(tmp_path: Path) -> None:
    plan = PoseWordsPlan(**{**{name: getattr(SMOKE, name) for name in PoseWordsPlan.__slots__}, "steps": 4, "held": 3})
    scores = train(tmp_path, 0, plan)
    assert set(scores) <= {"told", "untold"}
    model = MobileVideoGPT.from_pretrained(tmp_path, part="language", device="cpu")
    projector = PoseProjector.load(tmp_path / PROJECTOR)
    tokens = projector.project(np.zeros((8, 19, 9), np.float32))
    chunk = Tokens(torch.from_numpy(tokens.context), torch.from_numpy(tokens.video), torch.zeros(1))
    assert (model.config.image_tokens, model.config.video_tokens) == (1, 2)
    text = "".join(delta.text for delta in model.generate([chunk], "How many?", max_new_tokens=4))
    assert isinstance(text, str)
    assert model.action_logits([chunk], "How many?").shape == (3,)
