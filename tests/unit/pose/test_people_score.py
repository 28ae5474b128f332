"""Scripted coaches are judged as a person would."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from cornerman_pose.people_eval.clips import LabelledClip, Verdict, VisibleMistake
from cornerman_pose.people_eval.coach import ClipRun, Decided, Observations, RepEnd, Spoken, watch
from cornerman_pose.people_eval.score import ClipScore, hit, majority, score_clip
from cornerman_pose.people_eval.strips import as_html
from cornerman_pose.people_eval.totals import PeopleScore, as_text
from tests.unit.pose.bodies import track

KEYS = [
    *("exercise_right", "count_mae", "count_within_one", "ends_hit", "ends_false_per_min", "apt"),
    *("false_corrections_per_min", "mistakes_found", "mistake_named_of_wrong", "mistake_named_of_right"),
    *("quiet_clips", "clips"),
]


def clip(
    exercise: str = "squat",
    reps: tuple[tuple[float, float], ...] | None = ((0, 2), (2, 4), (4, 6)),
    verdict: Verdict = "good",
    mistakes: tuple[VisibleMistake, ...] = (),
    name: str = "one",
    group: str = "",
) -> LabelledClip:
    return LabelledClip(name, exercise, exercise or "none: walking", reps, verdict, mistakes, 10.0, group or name)


def run(
    exercises: Sequence[str] = ("squat",) * 4,
    ends: Sequence[RepEnd] = (),
    spoken: Sequence[Spoken] = (),
    seen_s: tuple[float, float] = (0.0, 10.0),
) -> ClipRun:
    decisions = tuple(Decided(1.0 + number / 2, name) for number, name in enumerate(exercises))
    return ClipRun(decisions, tuple(ends), tuple(spoken), seen_s, 1.0)


def ends(*times: float, mistakes: tuple[str, ...] = ()) -> list[RepEnd]:
    return [RepEnd(t, "squat", mistakes) for t in times]


def correction(t_s: float, mistake: str, exercise: str = "squat") -> Spoken:
    return Spoken(t_s, "correct", f"mind {mistake}", exercise, mistake)


@pytest.mark.parametrize(
    ("said", "hits"),
    [([1.3], 1), ([1.25], 0), ([3.1], 1), ([3.2], 0), ([1.9, 2.1], 1), ([], 0)],
    ids=["0.7 before", "earlier", "1.1 after", "later", "twice", "silence"],
)
def test_end_is_hit_within_its_window(said: list[float], hits: int) -> None:
    assert len(hit([2.0], said)) == hits


def test_each_end_hits_once() -> None:
    assert hit([2.0, 2.8], [2.5]) == [(2.0, 2.5)]


@pytest.mark.parametrize(
    ("names", "name"),
    [(["squat", "lunge", "squat"], "squat"), (["squat", "lunge"], ""), ([], "")],
    ids=["most", "tie", "none"],
)
def test_majority_needs_a_lead(names: list[str], name: str) -> None:
    assert majority(names) == name


def test_decisions_without_exercise_do_not_count() -> None:
    score = score_clip(clip(), run(["", "", "", "squat", "Squats", "lunge"]))
    assert score.right and score.share == 0.5


def test_repetition_after_the_end_is_not_expected() -> None:
    score = score_clip(clip(), run(ends=ends(2.1, 4.2), seen_s=(0, 5.0)))
    assert (score.reps, score.said, len(score.hits), score.false_ends) == (2, 2, 2, ())


def test_extra_end_is_false() -> None:
    assert score_clip(clip(), run(ends=ends(2.1, 3.15, 4.2))).false_ends == (3.15,)


@pytest.mark.parametrize(
    ("about", "said", "false"),
    [
        (clip(), correction(2.2, "too_shallow"), True),
        (clip(verdict="variant"), correction(2.2, "too_shallow"), False),
        (clip(verdict="mistake", reps=None), correction(2.2, "anything"), False),
        (clip(exercise="", reps=None, verdict="none"), correction(2.2, "too_shallow"), True),
        (clip(verdict="variant"), correction(2.2, "short_step", "lunge"), True),
    ],
    ids=["good", "variant", "mistake", "quiet", "other exercise"],
)
def test_correction_is_false_where_nothing_is_wrong(about: LabelledClip, said: Spoken, false: bool) -> None:
    assert bool(score_clip(about, run(spoken=[said])).false_corrections) is false


def test_mistake_is_found_in_its_span() -> None:
    wrong = clip(verdict="mistake", mistakes=(VisibleMistake(("round_back",), (0, 5), "round_back (0-5 s)"),))
    right = score_clip(wrong, run(spoken=[correction(6.0, "rounded_back")]))
    late = score_clip(wrong, run(spoken=[correction(8.0, "round_back")]))
    assert right.mistakes[0].found and right.apt and not right.false_corrections
    assert (late.mistakes[0].why, len(late.false_corrections)) == ("it was named at another time", 1)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (run(), "the coach said nothing"),
        (run(ends=ends(2.0)), "no mistake was named"),
        (run(ends=ends(2.0, mistakes=("knees_in",))), "it named knees_in instead"),
        (run(spoken=[correction(2, "short_step", "lunge")]), "it named short_step of lunge"),
    ],
    ids=["silence", "none", "another", "other exercise"],
)
def test_missed_mistake_says_why(made: ClipRun, why: str) -> None:
    wrong = clip(verdict="mistake", mistakes=(VisibleMistake(("round_back",), None, "round back"),))
    assert score_clip(wrong, made).mistakes[0].why == why


def test_praise_is_apt_after_a_repetition() -> None:
    praise = [Spoken(t, "feedback", "Good", "squat") for t in (2.4, 9.5)]
    assert [one.t_s for one in score_clip(clip(), run(spoken=praise)).apt] == [2.4]
    assert not score_clip(clip(exercise="", reps=None), run(spoken=praise)).apt


def test_asking_to_see_more_is_quiet() -> None:
    quiet = clip(exercise="", reps=None, verdict="none")
    assert score_clip(quiet, run(spoken=[Spoken(1, "view", "Step back")])).stayed_quiet
    assert not score_clip(quiet, run(ends=ends(1.0))).stayed_quiet


def scores() -> list[ClipScore]:
    walking = clip("", None, "none", name="walk")
    return [
        score_clip(clip(), run(ends=ends(2.1, 4.1, 6.1))),
        score_clip(clip(name="two"), run(["lunge"], ends(2.1))),
        score_clip(walking, run([""], ends(3.0), seen_s=(0, 30))),
        score_clip(clip(reps=None, verdict="mistake", name="a", group="g"), run(ends=ends(1, mistakes=("half_way",)))),
        score_clip(clip(reps=None, verdict="mistake", name="b", group="g"), run()),
        score_clip(clip(reps=None, verdict="mistake", name="c"), run()),
    ]


def test_totals_have_the_agreed_keys() -> None:
    values = PeopleScore(tuple(scores())).to_dict()
    assert list(values) == KEYS
    assert json.loads(json.dumps(values)) == values
    assert values["exercise_right"] == pytest.approx(4 / 5)
    assert (values["count_mae"], values["count_within_one"]) == (1.0, 0.5)
    assert values["ends_hit"] == pytest.approx(4 / 6)
    assert values["ends_false_per_min"] == pytest.approx(2.0)
    assert values["quiet_clips"] == {"quiet": 0, "of": 1}


def test_takes_count_once() -> None:
    values = PeopleScore(tuple(scores())).to_dict()
    assert values["mistake_named_of_wrong"] == pytest.approx((0.5 + 0) / 2)
    assert values["mistake_named_of_right"] == 0.0


def test_no_clips_say_nothing() -> None:
    values = PeopleScore(()).to_dict()
    assert values["exercise_right"] is None and values["clips"] == []


def test_text_has_a_line_a_clip() -> None:
    text = as_text(PeopleScore(tuple(scores())))
    assert "NOT QUIET: 1 ends" in text and "BAD lunge" in text
    assert "exercise_right             0.800" in text


def test_report_escapes_and_stands_alone() -> None:
    named = clip(name="<b>", verdict="mistake")
    page = as_html({".": PeopleScore((score_clip(named, run(ends=ends(2.1, 8), spoken=[correction(3, "<i>")])),))})
    assert "<b>" not in page and "&lt;b&gt;" in page and "&lt;i&gt;" in page
    assert "http" not in page and "<script" not in page
    assert page.count("<svg") == 1 and "labelled 0 to 2 s" in page


class CountingCoach:
    """Ends a repetition with every second chunk."""

    def __init__(self) -> None:
        self.chunks = 0

    def observe(self, seen: object, /) -> Observations:
        self.chunks += 1
        return Observations("squat", (), (RepEnd(self.chunks / 2, "squat"),) if self.chunks % 2 == 0 else ())


def test_watch_shows_every_chunk() -> None:
    made = watch(CountingCoach(), track(32).chunks())
    assert (len(made.decisions), len(made.ends), made.found) == (7, 3, 1.0)
    assert made.seen_s == (0.0, pytest.approx(31 / 8))
    assert watch(CountingCoach(), []).seen_s == (0.0, 0.0)


class LateCoach(CountingCoach):
    """Counts and corrects one more repetition when its clip is over."""

    def finish(self) -> Observations:
        return Observations("lunge", (), (RepEnd(3.9, "lunge"),), (correction(3.9, "short_step", "lunge"),))


def test_watch_hears_the_end() -> None:
    made = watch(LateCoach(), track(32).chunks())
    assert (len(made.decisions), len(made.ends), len(made.spoken)) == (8, 4, 1)
    assert (made.decisions[-1].exercise, made.ends[-1].t_s) == ("lunge", 3.9)
    assert watch(LateCoach(), []).ends == ()
