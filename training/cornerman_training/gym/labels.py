"""Names of exercises, their mistakes and traits, other motion, session kinds; the order gives the label numbers."""

from __future__ import annotations

MISTAKES: dict[str, tuple[str, ...]] = {
    "squat": ("too_shallow", "knees_in", "round_back", "too_fast"),
    "push_up": ("hips_sagging", "hips_high", "half_way"),
    "lunge": ("too_shallow", "leaning_forward", "short_step"),
    "jumping_jack": ("low_arms", "narrow_feet", "one_arm"),
    "overhead_press": ("half_press", "leaning_back", "uneven"),
}
EXERCISES = tuple(MISTAKES)
HOLDS = ("plank", "squat_hold")
OTHER = ("waving", "walking", "drinking", "stretching", "phone", "dancing", "tying_shoe")
LYING = ("push_up", "plank")  # on hands and feet
ALTERNATING = ("lunge",)  # the other leg leads in every second repetition
WITH_WEIGHTS = ("overhead_press",)  # dumbbells in the hands
ACTIVITIES = (*EXERCISES, "rest", *HOLDS, "other", "nobody")
FAULTS = tuple(f"{exercise}:{mistake}" for exercise, names in MISTAKES.items() for mistake in names)
KINDS = ("exercise", "quiet", "footage")
PRAISE_AFTER = 3  # good repetitions in a row
