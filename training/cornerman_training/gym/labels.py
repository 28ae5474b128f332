"""Names of exercises, mistakes, other motion and session kinds; their order gives the label numbers."""

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
ACTIVITIES = (*EXERCISES, "rest", *HOLDS, "other", "nobody")
FAULTS = tuple(f"{exercise}:{mistake}" for exercise, names in MISTAKES.items() for mistake in names)
KINDS = ("exercise", "quiet", "footage")
PRAISE_AFTER = 3  # good repetitions in a row
