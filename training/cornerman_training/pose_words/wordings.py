"""The sentences that the coach on skeletons learns: corrections, praise with the count, views, and answers."""

from __future__ import annotations

from typing import Final

from numpy.random import Generator

from cornerman_pose.movements import form_rules
from cornerman_training.gym.labels import MISTAKES
from cornerman_training.gym.phrases import PRAISE, PROMPT, wordings

NAMES: Final[dict[str, tuple[str, str]]] = {
    "squat": ("squat", "squats"),
    "push_up": ("push-up", "push-ups"),
    "lunge": ("lunge", "lunges"),
    "jumping_jack": ("jumping jack", "jumping jacks"),
    "overhead_press": ("press", "presses"),
    "plank": ("second of plank", "seconds of plank"),
    "sit_up": ("sit-up", "sit-ups"),
    "biceps_curl": ("curl", "curls"),
    "lateral_raise": ("lateral raise", "lateral raises"),
    "deadlift": ("deadlift", "deadlifts"),
    "high_knees": ("high knee", "high knees"),
    "glute_bridge": ("glute bridge", "glute bridges"),
}
"""One repetition and several, as people say it."""

NUMBERS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
MOST: Final = 99
"""The highest count in training, and the last that is spoken as a word."""

_BODY_PARTS: Final = (
    *("hip", "knee", "toe", "feet", "foot", "heel", "leg", "back", "chest", "core", "torso", "rib", "body"),
    *("shoulder", "elbow", "arm", "hand", "weight", "neck", "head", "ear", "side", "step"),
)
_TEMPO: Final = ("slow", "fast", "quick")

OTHER_CORRECTIONS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("squat", "leaning_forward"): ("Chest up, you lean too far forward.", "Keep your torso upright in the squat."),
    ("squat", "leaning_sideways"): (
        "Stay in the middle, you lean to one side.",
        "Keep both shoulders level in the squat.",
    ),
    ("push_up", "head_dropped"): (
        "Lift your head, look ahead.",
        "Your head drops, keep your neck long.",
    ),
    ("push_up", "too_fast"): ("Slow down, control the push-up.", "That push-up was too fast, lower slowly."),
    ("lunge", "leaning_sideways"): (
        "Keep your torso straight, you lean to one side.",
        "Shoulders level, no lean to the side.",
    ),
    ("lunge", "unsteady"): ("Keep your hands still and find your balance.", "Steady, both hands at the same height."),
    ("overhead_press", "half_way_down"): (
        "Bring the weights down to your shoulders.",
        "Lower your hands all the way to your shoulders.",
    ),
    ("plank", "hips_sagging"): ("Lift your hips, your plank is sagging.", "Tighten your core, your hips sag."),
    ("plank", "hips_high"): ("Lower your hips, make one straight line.", "Your hips are too high, bring them down."),
    ("plank", "head_dropped"): ("Lift your head, keep your neck in line.", "Your head hangs, look at the floor."),
    ("sit_up", "half_way"): ("Come all the way up with your chest.", "Only half way, sit up to your knees."),
    ("sit_up", "feet_lifting"): ("Keep your feet on the floor.", "Your feet lift, press your heels down."),
    ("sit_up", "too_fast"): ("Slow down, roll up with control.", "That sit-up was too fast, take your time."),
    ("biceps_curl", "half_curl"): ("Curl all the way up to your shoulders.", "Bend your elbows more, finish the curl."),
    ("biceps_curl", "half_way_down"): ("Straighten your arms at the bottom.", "Lower your hands all the way down."),
    ("biceps_curl", "swinging"): (
        "Stop swinging, keep your torso still.",
        "Your back swings, use only your arms.",
    ),
    ("biceps_curl", "leaning_back"): ("Do not lean back in the curl.", "Stay upright, curl without leaning back."),
    ("biceps_curl", "elbows_forward"): ("Keep your elbows at your sides.", "Your elbows move forward, pin them down."),
    ("lateral_raise", "too_low"): (
        "Raise your arms to shoulder height.",
        "Higher, lift your arms to shoulder level.",
    ),
    ("lateral_raise", "too_high"): ("Stop your arms at shoulder height.", "Too high, keep your arms below your ears."),
    ("lateral_raise", "swinging"): ("Stop swinging, raise without your back.", "Keep your torso still as you raise."),
    ("lateral_raise", "uneven"): ("Raise both arms to the same height.", "One arm is lower, lift them evenly."),
    ("deadlift", "round_back"): (
        "Flatten your back, it is rounding.",
        "Keep your back straight in the deadlift.",
    ),
    ("deadlift", "chest_low"): ("Lift your chest, it hangs too low.", "Chest higher before you lift."),
    ("deadlift", "squatting"): (
        "Hinge at your hips, do not squat it.",
        "Hips back, your knees bend too much.",
    ),
    ("deadlift", "hips_first"): ("Lift chest and hips together.", "Your hips rise first, raise the chest with them."),
    ("deadlift", "not_upright"): (
        "Stand up tall, hips through at the top.",
        "Finish the lift, bring your hips through.",
    ),
    ("high_knees", "low_knees"): ("Bring your knees up to your hips.", "Knees higher, up to hip height."),
    ("high_knees", "leaning_back"): ("Do not lean back, stay tall.", "You lean back, chest over your hips."),
    ("glute_bridge", "half_bridge"): (
        "Push your hips all the way up.",
        "Lift your hips into line with the knees.",
    ),
    ("glute_bridge", "feet_far"): (
        "Bring your feet closer to your hips.",
        "Your feet are far, pull your heels in.",
    ),
}
"""Corrections that the gym's drawn exercises do not have: the body part, and the direction."""

PROMPTS: Final = (
    PROMPT,
    "Coach the exercise: speak only when it helps, and say what to change.",
    "Watch the exercise and give short feedback.",
    "What should I change?",
)
"""What the coach is told; those of the coach on pictures."""

NEVER: Final = "I can only tell you about your exercise."
UNSEEN: Final = "I cannot see you."
COME: Final = "I cannot see you, come closer to the camera."
NO_EXERCISE: Final = "I see no exercise."
NO_MISTAKE: Final = "Nothing that I could see."


def is_specific(reply: str) -> bool:
    """Whether a correction names a part of the body, or the tempo: someone can act on it."""
    return any(word in reply.lower() for word in (*_BODY_PARTS, *_TEMPO))


def corrections(exercise: str, mistake: str) -> tuple[str, ...]:
    """All training sentences for a mistake; each is specific."""
    if mistake in MISTAKES.get(exercise, ()):
        return tuple(text for text in wordings(exercise, mistake, "train") if is_specific(text))
    return OTHER_CORRECTIONS[exercise, mistake]


def number(count: int) -> str:
    """A count as people say it, as "twenty-two"; in digits above `MOST`."""
    if count > MOST:
        return str(count)
    if count < len(NUMBERS):
        return NUMBERS[count]
    tens, ones = divmod(count, 10)
    return f"{TENS[tens]}-{NUMBERS[ones]}" if ones else TENS[tens]


def counted(exercise: str, count: int) -> str:
    """A count with its exercise, as "eight squats"."""
    return f"{number(count)} {NAMES[exercise][count != 1]}"


def so_far(exercise: str, count: int) -> str:
    """The answer to how many; it opens like praise, so that both teach how a count is said."""
    return f"That's {counted(exercise, count)} so far."


def praise(rng: Generator, exercise: str, count: int) -> str:
    """Praise for something: the count, if one is known."""
    choices = wordings("", PRAISE, "train")
    text = choices[int(rng.integers(len(choices)))]
    return f"That's {counted(exercise, count)}. {text}" if exercise and count else text


def view_wish(view: str, missing: tuple[str, ...], limits: tuple[str, ...]) -> str:
    """What the coach needs to see; the person can do it."""
    if "too_dark" in limits:
        return "It is too dark, turn on a light."
    if view in ("no_person", "several"):
        return COME
    if "too_far" in limits:
        return "Come closer, you are too far away."
    if "feet" in missing:
        return "Step back until I can see your feet."
    part = missing[-1] if missing else "whole body"
    return f"Step back until I can see your {part}."


def watching(whom: str) -> str:
    """Who of several people is coached."""
    return f"I am watching {whom}."


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def same_meaning(reply: str, wanted: str) -> bool:
    """Equal up to the choice among the wordings of one correction, or of praise with one count."""
    if reply == wanted:
        return True
    if wanted.startswith("That's"):
        return reply.partition(". ")[0] == wanted.partition(". ")[0]
    groups = [corrections(rule.exercise, rule.name) for rule in form_rules()] + [wordings("", PRAISE, "train")]
    return any(reply in group and wanted in group for group in groups)
