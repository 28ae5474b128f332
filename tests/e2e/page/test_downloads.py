"""Downloads: subtitles, JSON lines and the report."""

from __future__ import annotations

import json
import re

from playwright.async_api import Page

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page, quick, until_said, violations


async def download(page: Page, name: str) -> tuple[str, str]:
    """Clicks a link; returns the file's name and text."""
    async with page.expect_download() as started:
        await page.get_by_role("link", name=name).click()
    got = await started.value
    return got.suggested_filename, (await got.path()).read_text()


async def test_downloads_hold_the_feedback(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 3)
        name, text = await download(page, "JSON lines")
        rows = [json.loads(line) for line in text.splitlines()]
        assert name == "demo.jsonl" and len(rows) >= 3
        assert [row["text"] for row in rows] == actor.said[: len(rows)]
        assert all(row["latency_ms"] > 0 and row["run"] == "run-1" for row in rows)
        name, text = await download(page, "subtitles")
        assert name == "demo.vtt" and text.startswith("WEBVTT\n\n")
        cues = re.findall(r"^(\d\d:\d\d:\d\d\.\d{3}) --> (\d\d:\d\d:\d\d\.\d{3})\n<c\.(\w+)>(.*)</c>$", text, re.M)
        assert [cue[3] for cue in cues] == actor.said[: len(cues)] and len(cues) >= len(rows)
        assert [cue[:2] for cue in cues] == sorted(cue[:2] for cue in cues)
        assert {cue[2] for cue in cues} == {"correction", "praise"}
        name, text = await download(page, "session report")
        assert name == "demo-report.html"
        assert all(line in text for line in actor.said[:3])
        assert "<script" not in text and "http" not in re.sub(r"xmlns=\S+", "", text)
        await watched.check()


async def test_browser_reads_subtitles_and_report(settings: Settings, bus: Bus) -> None:
    actor = quick(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(f"{url}/#/s/demo")
        await until_said(watched, 2)
        cues = await page.evaluate("""async () => {
          const text = await (await fetch("/api/sources/demo/transcript.vtt")).text();
          const track = Object.assign(document.createElement("track"), { default: true,
            src: URL.createObjectURL(new Blob([text], { type: "text/vtt" })) });
          const video = document.createElement("video");
          video.append(track);
          document.body.append(video);
          await new Promise((done, wrong) => {
            Object.assign(track, { onload: done, onerror: wrong });
            track.track.mode = "showing";
          });
          return [...track.track.cues].map((cue) => cue.getCueAsHTML().textContent);
        }""")
        assert cues == actor.said[: len(cues)] and len(cues) >= 2
        _, text = await download(page, "session report")
        other = await watched.context.new_page()
        await other.set_content(text)
        assert await other.locator("svg[role=img]").count() == 1
        assert await other.locator("tr.correction").count() >= 1
        assert await violations(other) == []
