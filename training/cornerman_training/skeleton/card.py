"""The model card that a training run leaves beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cornerman_pose.movements import movements

_RENDERED = """
{share} of each batch are sessions of the gym's training split as drawn pictures show them to the real estimator."""
_IMITATED = """
{imitated} more are such sessions with the errors that a small net learned from those."""
_KEPT = """
Of the other examples the net keeps what the weights gone on from say (learning without forgetting), and the weights are
the given share of the way from those to what was found."""

_DRAWN = """
Nothing is kept of people: these weights read drawn figures."""

_TEXT = """# The temporal half of the coach on skeletons

A causal temporal convolutional net of {count} parameters. It reads features of BlazePose landmarks at 8 frames a second
and gives, at every frame: the exercise, the phase, the end of a repetition, an action, and for each mistake its
probability, its strength and whether the view shows it.

## Data
No person and no picture. Skeletons by formula: bodies, {exercises} exercises with styles, tempo 0.4x to 2.5x, pauses,
partial and cut repetitions, sessions that begin in the middle of one, and motion that is no exercise (walking, running,
marching, talking with hands, sitting, boxing, dancing, shrugs, yoga, reaching); virtual cameras; errors of an estimator
as measured on landmarks of 55 clips of real people. Labels of mistakes are measured on the true skeleton by the limits
of `cornerman_pose/assets/movements.json`. A third of the sessions are the gym's own (its training split, through its
own cameras or others): there the gym says which mistake is made.{rendered}

## Command
`python -m cornerman_training.skeleton.train --out DIR --seed {seed}{options}`; {minutes:.0f} minutes of one core;
plan {plan}.

## Scores on held-out skeletons of the same formulas
{scores}
These say that training worked, not that the coach is right about people. `cornerman evaluate --people` says that.

## Limits
Never tried on: children, wheelchairs, prostheses, pregnancy, loose clothes such as robes, water, crowds, camera
directly above. Depth is guessed by the estimator, so mistakes in depth need the right view; elsewhere the net abstains.
A rounded back has no landmark: it is judged only from the side, by the head and a shortened trunk, and often missed.
Sideways lean is judged from the front only, hips and head of a push-up from the side only. Limits of mistakes are
common cues turned into numbers, not medical advice.
"""


def write_card(
    path: Path, seed: int, plan: Mapping[str, object], scores: Mapping[str, float], cpu_s: float, count: int
) -> None:
    """Write the card as Markdown; `plan` is that of `train`, whose `rendered` is 0 where no session was given."""
    share, keeps = plan.get("rendered"), plan.get("keep")
    rendered = _RENDERED.format(share=f"{share} of {plan['batch']}") if share else ""
    if plan.get("imitated") and share:
        rendered += _IMITATED.format(imitated=plan["imitated"])
    options = f" --{plan['option']}" if plan.get("option") else ""
    options += " --start FIRST" if keeps or plan.get("imitated") else ""
    options += " --rendered SESSIONS" if share else ""
    rows = "\n".join(f"- {name}: {value:.3f}" for name, value in scores.items())
    path.write_text(
        _TEXT.format(
            count=count,
            exercises=len(movements()),
            seed=seed,
            plan={name: value for name, value in plan.items() if name != "option"},
            minutes=cpu_s / 60,
            scores=rows,
            rendered=rendered + (_KEPT if keeps else _DRAWN if plan.get("imitated") else ""),
            options=options,
        ),
        encoding="utf-8",
    )
