"""A session's summary as a page to print: no script; its style comes from this server, its stills are in it. Pure."""

from __future__ import annotations

import html
from collections.abc import Mapping

from cornerman_gateway.summary_fields import SessionSummary, clock, set_line


def summary_times(summary: SessionSummary) -> list[float]:
    """Media times whose pictures the page shows."""
    moments = [moment.pts_s for moment in (summary.best, summary.worst) if moment is not None]
    return list(dict.fromkeys(moments + [point.pts_s for point in summary.work_on if point.pts_s is not None]))


def summary_html(summary: SessionSummary, stills: Mapping[float, str]) -> str:
    """The page.

    Args:
        summary: what it tells.
        stills: pictures as data: URLs, by media time; those that are gone are left out.
    """
    esc = html.escape

    def still(pts_s: float | None) -> str:
        if pts_s is None or not (found := stills.get(pts_s)):
            return ""
        return f'<img src="{esc(found)}" alt="the picture at {clock(pts_s)}">'

    sets = "".join(f"<li>{esc(set_line(one))}</li>" for one in summary.sets)
    points = "".join(
        f"<li><div><b>{esc(point.mistake)}</b>, {_times(point.times)}<p>{esc(point.text)}</p></div>"
        f"{still(point.pts_s)}</li>"
        for point in summary.work_on
    )
    moments = "".join(
        f"<li><div><b>{name}</b>, at {clock(moment.pts_s)}<p>{esc(moment.what)}</p></div>{still(moment.pts_s)}</li>"
        for name, moment in (("Best moment", summary.best), ("Worst moment", summary.worst))
        if moment is not None
    )
    title = esc(f"Session: {summary.source_id}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f'<link rel="stylesheet" href="/static/css/summary.css"></head><body><main><h1>{title}</h1>'
        f"<p>{_watched(summary.seconds)} watched.</p>"
        f"<h2>Sets</h2>{f'<ul>{sets}</ul>' if sets else '<p>No exercise was seen.</p>'}"
        f"{f'<h2>What to work on</h2><ul class=stills>{points}</ul>' if points else ''}"
        f"{f'<h2>Moments</h2><ul class=stills>{moments}</ul>' if moments else ''}"
        f"</main></body></html>\n"
    )


def _times(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _watched(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
