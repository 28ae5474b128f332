"""The coach's sentences, in several wordings; each split has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

    from cornerman_training.gym.splits import Split

PRAISE = "praise"
PROMPT = (
    "Please evaluate the exercise form shown. What mistakes, if any, are present, "
    "and what corrections would you recommend?"
)

_CORRECTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("squat", "too_shallow"): (
        "Go deeper, bring your hips down to knee height.",
        "Sink lower in the squat, hips to your knees.",
        "That squat was too shallow, go deeper.",
        "Lower your hips further before you stand up.",
        "Squat deeper, your hips stopped too high.",
        "Too shallow, sit down deeper into the squat.",
    ),
    ("squat", "knees_in"): (
        "Push your knees out, they are caving in.",
        "Your knees fall inward, press them out.",
        "Keep your knees over your toes, not caving in.",
        "Knees out, do not let them collapse inward.",
        "Drive your knees outward, they caved in.",
        "Your knees caved inward, push them apart.",
    ),
    ("squat", "round_back"): (
        "Chest up, your back is rounding.",
        "Keep your back straight, it rounds as you sink.",
        "Your back is rounding, lift your chest.",
        "Lift your chest and flatten your back.",
        "Straighten your back, it was rounding.",
        "Your back rounds, keep the chest up.",
    ),
    ("squat", "too_fast"): (
        "Slow down, control the squat.",
        "That was too fast, take your time.",
        "Too quick, lower yourself slowly.",
        "Slower, two seconds down and two up.",
        "Too fast, slow the squat down.",
        "Take it slower, that was too quick.",
    ),
    ("push_up", "hips_sagging"): (
        "Lift your hips, they are sagging.",
        "Your hips drop, tighten your core.",
        "Keep your body in one line, hips are sagging.",
        "Brace your core, do not let the hips sag.",
        "Hips are sagging, tighten your core.",
        "Your hips sag, brace and lift them.",
    ),
    ("push_up", "hips_high"): (
        "Lower your hips, they are too high.",
        "Your hips are up in the air, bring them down.",
        "Hips down, make one straight line.",
        "Bring your hips down in line with your shoulders.",
        "Your hips are too high, lower them.",
        "Hips too high, bring them down into line.",
    ),
    ("push_up", "half_way"): (
        "Go lower, bring your chest near the floor.",
        "Only half way, bend your elbows more.",
        "Lower your chest all the way down.",
        "Full range please, chest to the floor.",
        "Bend your elbows more, chest to the floor.",
        "That was half way, take your chest lower to the floor.",
    ),
    ("lunge", "too_shallow"): (
        "Drop your back knee closer to the floor.",
        "Lower the lunge, back knee down.",
        "Deeper lunge, bend both knees more.",
        "Sink the back knee towards the floor.",
        "Your back knee stayed high, lower the lunge.",
        "Bring the back knee lower in the lunge.",
    ),
    ("lunge", "leaning_forward"): (
        "Keep your torso upright in the lunge.",
        "You lean forward, stay tall.",
        "Stay tall, do not fold over the front leg.",
        "Torso upright, shoulders over your hips.",
        "You are leaning forward, keep your torso upright.",
        "Stay upright, your torso leans forward.",
    ),
    ("lunge", "short_step"): (
        "Take a longer step forward.",
        "Your step is too short, step further out.",
        "Step further, the knee passes your toes.",
        "Longer step, keep the knee behind the toes.",
        "Step out further, that step was short.",
        "Too short, take a longer step.",
    ),
    ("jumping_jack", "low_arms"): (
        "Raise your arms all the way overhead.",
        "Arms higher, hands above your head.",
        "Bring your hands up over your head.",
        "Reach up fully, your arms stop too low.",
        "Your arms are low, take your hands overhead.",
        "Arms all the way up over your head.",
    ),
    ("jumping_jack", "narrow_feet"): (
        "Jump your feet wider apart.",
        "Your feet stay narrow, jump them out.",
        "Wider with the feet on every jump.",
        "Open your legs more when you jump.",
        "Feet wider, jump them further apart.",
        "Jump wider, your feet stay too close.",
    ),
    ("jumping_jack", "one_arm"): (
        "Use both arms, one stayed down.",
        "One arm is lazy, raise both together.",
        "Lift both arms, not only one.",
        "Both arms up at the same time.",
        "Raise both arms, one stays down.",
        "One arm stayed down, lift both.",
    ),
    ("overhead_press", "half_press"): (
        "Press all the way up, straighten your arms.",
        "Finish the press, lock your elbows.",
        "Only half way, extend your arms overhead.",
        "Push the weights fully overhead.",
        "Straighten your arms fully at the top of the press.",
        "Press higher until your arms are straight.",
    ),
    ("overhead_press", "leaning_back"): (
        "Do not lean back, tighten your core.",
        "You arch your back, ribs down.",
        "Stay vertical, you are leaning back.",
        "Brace your core and stop leaning back.",
        "You lean back, stay vertical and brace.",
        "Stop leaning back, keep your ribs down.",
    ),
    ("overhead_press", "uneven"): (
        "Press both arms evenly, one lags behind.",
        "One arm is lower, push them up together.",
        "Even out the press, both sides together.",
        "Keep both weights at the same height.",
        "Press both sides together, one arm is lower.",
        "Uneven press, push both weights up together.",
    ),
}
_PRAISES = (
    "Great work, keep it up.",
    "Nice form, keep going.",
    "Very good, stay with it.",
    "Good reps, well done.",
    "Excellent form, keep going.",
    "That looks strong, well done.",
    "Good form, keep it going.",
    "Well done, very good form.",
    "Nice work, keep going.",
    "Great form, well done.",
)
_WORDINGS: dict[Split, tuple[int, ...]] = {"train": (0, 1, 2, 3), "validation": (4,), "test": (5,)}
_PRAISE_WORDINGS: dict[Split, tuple[int, ...]] = {
    "train": (0, 1, 2, 3, 4, 5),
    "validation": (6, 7),
    "test": (8, 9),
}


def wordings(exercise: str, mistake: str, split: Split) -> tuple[str, ...]:
    """All sentences of a split for a mistake, or for praise if `mistake` is `PRAISE`."""
    if mistake == PRAISE:
        return tuple(_PRAISES[i] for i in _PRAISE_WORDINGS[split])
    return tuple(_CORRECTIONS[exercise, mistake][i] for i in _WORDINGS[split])


def choose_wording(rng: Generator, exercise: str, mistake: str, split: Split) -> str:
    """Draws one of the split's sentences."""
    choices = wordings(exercise, mistake, split)
    return choices[int(rng.integers(len(choices)))]


def meanings() -> dict[str, tuple[str, str]]:
    """Every sentence of every split -> (exercise or "", mistake or `PRAISE`)."""
    table = {text: key for key, texts in _CORRECTIONS.items() for text in texts}
    table.update(dict.fromkeys(_PRAISES, ("", PRAISE)))
    return table
