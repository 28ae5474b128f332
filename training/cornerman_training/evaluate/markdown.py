"""The evaluation report in Markdown. Pure."""

from __future__ import annotations

from cornerman_training.evaluate.report import EvaluationReport

_ROWS = (
    ("temporal_f_score", "temporal F-score (window 3 s)"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("mean_delay_s", "mean delay, s"),
    ("p90_delay_s", "p90 delay, s"),
    ("false_alarms_per_min", "false alarms a minute"),
    ("quiet_alarms_per_min", "false alarms a minute in quiet sessions"),
    ("mistake_accuracy", "right mistake, of met corrections"),
    ("action_accuracy", "right action, of met feedbacks"),
    ("rouge_l", "ROUGE-L"),
    ("meteor", "METEOR"),
    ("sessions", "sessions"),
    ("minutes", "minutes"),
)


def as_markdown(report: EvaluationReport, title: str = "Evaluation") -> str:
    """Tables: the numbers, the baselines, and each exercise and mistake."""
    values = report.to_dict()
    lines = [f"# {title}", "", "| measure | value |", "|---|---|"]
    for key, name in _ROWS:
        value = values[key]
        lines.append(f"| {name} | {value:.3f} |" if isinstance(value, float) else f"| {name} | {value} |")
    for key, value in (*report.extra.items(), *report.costs.items()):
        lines.append(f"| {key} | {value:.3f} |")
    if report.baselines:
        lines += ["", "| baseline | temporal F-score | precision | recall |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {c.f_score:.3f} | {c.precision:.3f} | {c.recall:.3f} |" for name, c in report.baselines.items()
        ]
    if report.groups:
        lines += ["", "| exercise : mistake | true | met | right words |", "|---|---|---|---|"]
        lines += [f"| {n} | {g.truth} | {g.met} | {g.right} |" for n, g in sorted(report.groups.items())]
    return "\n".join(lines) + "\n"
