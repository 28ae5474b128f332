"""The report as one HTML file with a timeline for each clip. No scripts, no external files."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from cornerman_pose.people_eval.names import EXERCISES, exercise_name
from cornerman_pose.people_eval.score import ClipScore
from cornerman_pose.people_eval.totals import PeopleScore

_WIDE: Final = 900
_HIGH: Final = 64

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --line: #cbd2dc; --good: #1f8a4c; --bad: #c8352b;
  --label: #6b7688; --said: #2f6fd0; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --paper: #161a21; --line: #3a4250;
  --good: #52c483; --bad: #ff7a6e; --label: #98a3b5; --said: #79aaf5; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
td:last-child { font-variant-numeric: tabular-nums; }
section { border-top: 1px solid var(--line); padding: .6rem 0; } h3 { margin: 0; font-size: 1rem; }
p { margin: .1rem 0; color: var(--label); } .key { white-space: nowrap; }
h1, h2, h3 { break-after: avoid; } section, tr { break-inside: avoid; } @page { margin: 16mm; }
@media print { :root { color-scheme: light; } body { margin: 0; max-width: none; padding: 0; font-size: 10pt; } }
.bad { color: var(--bad); } .good { color: var(--good); }
svg { display: block; width: 100%; height: auto; } text { font: 11px system-ui, sans-serif; fill: var(--label); }
"""


def as_html(scores: Mapping[str, PeopleScore], title: str = "The coach and people") -> str:
    """One page with the numbers of each set and a strip for each of its clips.

    Upper row: labelled repetitions. Middle row: the coach's decisions, one colour an exercise. Lower row: ends that it
    counted, green where they hit a label, and what it said.
    """
    parts = [f"<h1>{escape(title)}</h1>", _legend()]
    for name, score in scores.items():
        heading = "Clips" if name == "." else name
        parts.append(f"<h2>{escape(heading)}</h2>{_table(score)}")
        parts += [_section(one) for one in score.clips]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    page = f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head>'
    return f"{page}<body>{''.join(parts)}</body></html>\n"


def _legend() -> str:
    colours = " ".join(
        f'<span class="key"><span style="color:{_colour(name)}">■</span> {name.replace("_", " ")}</span>'
        for name in EXERCISES
    )
    rows = "Rows: labelled repetitions; what the coach decided, by exercise; ends it counted; what it said."
    return f"<p>{colours}</p><p>{rows} Green is right, red is wrong, blue cannot be told.</p>"


def _table(score: PeopleScore) -> str:
    values = {name: value for name, value in score.to_dict().items() if name != "clips"}
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_number(value))}</td></tr>" for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _number(value: object) -> str:
    if isinstance(value, dict):
        return " of ".join(str(number) for number in value.values())
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


def _section(one: ClipScore) -> str:
    if one.clip.quiet:
        good, verdict = one.stayed_quiet, "stayed quiet" if one.stayed_quiet else "did not stay quiet"
    else:
        good = one.right
        verdict = f"taken for {one.got.replace('_', ' ')}" if one.got else "not recognised"
    facts = [f"{one.clip.label}, {one.clip.verdict}"]
    if one.reps is not None:
        facts.append(f"{one.said} of {one.reps} counted, {len(one.hits)} hit")
    facts += [f"named: {', '.join(one.named)}"] if one.named else []
    facts += [f"{found.label}: {'found' if found.found else found.why}" for found in one.mistakes]
    mark = f'<span class="{"good" if good else "bad"}">{escape(verdict)}</span>'
    return (
        f"<section><h3>{escape(one.clip.name)} · {mark}</h3><p>{escape(' · '.join(facts))}</p>{_strip(one)}</section>"
    )


def _strip(one: ClipScore) -> str:
    end_s = max([one.run.seen_s[1], one.clip.seconds, *(end for _, end in one.clip.reps or ()), 0.1])

    def x(t_s: float) -> float:
        return round(t_s / end_s * _WIDE, 1)

    marks = [
        f'<rect x="{x(start)}" y="4" width="{max(1.0, x(end) - x(start) - 1):.1f}" height="12" rx="2" '
        f'fill="var(--label)"><title>labelled {start:g} to {end:g} s</title></rect>'
        for start, end in one.clip.reps or ()
    ]
    before_s = one.run.seen_s[0]
    for decided in one.run.decisions:
        name = exercise_name(decided.exercise)
        if name:
            width = max(0.5, x(decided.t_s) - x(before_s))
            marks.append(
                f'<rect x="{x(before_s)}" y="22" width="{width:.1f}" height="10" fill="{_colour(name)}">'
                f"<title>{escape(name)} until {decided.t_s:.1f} s</title></rect>"
            )
        before_s = decided.t_s
    good = {said for _, said in one.hits}
    for end in one.run.ends:
        colour = "good" if end.t_s in good else "bad" if end.t_s in one.false_ends else "said"
        about = ", ".join([end.exercise, *end.mistakes])
        marks.append(
            f'<line x1="{x(end.t_s)}" x2="{x(end.t_s)}" y1="36" y2="48" stroke="var(--{colour})" stroke-width="3">'
            f"<title>counted at {end.t_s:.1f} s: {escape(about)}</title></line>"
        )
    for said in one.run.spoken:
        colour = "bad" if said in one.false_corrections else "good" if said in one.apt else "said"
        words = escape(said.text or said.mistake or said.kind)
        marks.append(
            f'<circle cx="{x(said.t_s)}" cy="55" r="4" fill="var(--{colour})">'
            f"<title>{said.t_s:.1f} s: {words}</title></circle>"
        )
    ticks = "".join(
        f'<line x1="{x(t)}" x2="{x(t)}" y1="0" y2="{_HIGH}" stroke="var(--line)"/>'
        f'<text x="{x(t) + 2}" y="{_HIGH + 9}">{t} s</text>'
        for t in range(0, int(end_s) + 1, 5)
    )
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH + 12}" role="img">{ticks}{"".join(marks)}</svg>'


def _colour(exercise: str) -> str:
    number = EXERCISES.index(exercise) if exercise in EXERCISES else len(EXERCISES)
    return f"hsl({number * 360 // (len(EXERCISES) + 1)} 60% 52%)"
