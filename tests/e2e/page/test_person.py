"""The person on the page: skeleton in step, repetitions counted, what is not seen is said."""

from __future__ import annotations

import json

import websockets

from cornerman.commands.summary import _summary
from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page
from tests.e2e.page.mover import mover

MOVEMENT = """async () => {
  const { movementAt, hintOf } = await import("/static/js/movement.js");
  const { between, followed, followedIn } = await import("/static/js/skeleton.js");
  const { measuredAt } = await import("/static/js/angle.js");
  const about = (repetitions, exercise = "squat", mistakes = []) => ({ exercise, repetitions, mistakes,
    missing: [], limits: [], view: "whole" });
  const bad = [{ name: "too_shallow", joint: "hip" }];
  const rows = [[1, about(0)], [3, about(1)], [5, about(2, "squat", bad)], [6, about(2, "squat", bad)],
    [9, about(1, "lunge")]]
    .map(([pts_s, seen]) => ({ pts_s, about: seen, action: "next" }));
  const at = (pts) => movementAt(rows, pts)?.repetitions.map((one) => [one.good, one.mistakes.join(), one.seconds]);
  const person = (x) => Array.from({ length: 33 }, () => [x, 0.5, 1]);
  const [left, right] = [person(0.2), person(0.8)];
  const half = between({ pts_s: 0, people: [left] }, { pts_s: 1, people: [right, person(0.3)] }, 0.5);
  const pair = { people: [left, right], rows: [0, 2], seq: 5 };
  const says = (seq, row) => [{ seq, about: { row } }];
  const lean = (pts_s, measure, at, values, limit = 47) => ({ pts_s, about: { measure, measured_pts_s: at,
    measured: values, limit, worse: "above" } });
  const leans = [lean(1, "lean", [0.5, 1], [10, 20]), lean(1.5, "lean", [1, 1.5], [20, 60]),
    lean(2, "hip_up", [2], [0.4], null), { pts_s: 3, about: { measure: "" } }];
  return {
    rows: [followedIn(pair, says(5, 2)), followedIn(pair, says(5, -1)), followedIn(pair, says(5, 1)),
      followedIn(pair, says(4, 2), "the person on the left"), followedIn(pair, [], "")],
    measured: [measuredAt(leans, 1.6), measuredAt(leans, 9), measuredAt(leans, 0.9), measuredAt(leans, 40),
      measuredAt(leans, Infinity)],
    none: movementAt(rows, 0), two: at(6), lunge: at(10), half: half[0][0][0],
    whom: [followed([right, left], "the person on the left") === left, followed([left], "") === null],
    hints: [hintOf({ ...about(0), missing: ["knees", "feet"] }),
      hintOf({ ...about(0), limits: ["too_dark"] }), hintOf(about(0)),
      hintOf({ ...about(0), view: "no_person" }), hintOf({ ...about(0), view: "no_person", limits: ["too_dark"] }),
      hintOf({ ...about(0), missing: ["feet"], limits: ["camera_moving", "too_far"] })],
  };
}"""


async def test_movement_follows_the_picture(settings: Settings, bus: Bus) -> None:
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        found = await watched.page.evaluate(MOVEMENT)
        assert found["rows"] == [1, -1, -1, 0, -1]  # the row that the chunk's decision names; else the words
        leans = {"measure": "lean", "limit": 47, "worse": "above", "points": [[0.5, 10], [1, 20], [1.5, 60]]}
        hips = {"measure": "hip_up", "limit": None, "worse": "above", "points": [[2, 0.4]]}
        assert found["measured"] == [leans, hips, None, None, hips]
        assert found["none"] is None
        assert found["two"] == [[True, "", None], [False, "too shallow", 2]]
        assert found["lunge"] == [[True, "", None]]  # another exercise is another set
        assert abs(found["half"] - 0.25) < 1e-6  # joined with the nearest person
        assert found["whom"] == [True, True]
        dark = "It is too dark. Turn on a light."
        assert found["hints"][:3] == ["I cannot see your knees and feet.", dark, ""]
        assert found["hints"][3:] == ["I cannot see anybody.", dark, "You are too far away. Come closer."]
        await watched.check()


async def test_person_is_counted_and_drawn(settings: Settings, bus: Bus) -> None:
    actor = mover(bus, missing=("feet",))
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.locator(".board .count", has_text="squat").wait_for()
        await page.get_by_text("I cannot see your feet.").wait_for()
        await page.locator(".board .bars .mistake, .board .bars .good").nth(1).wait_for()
        await page.locator(".board .angle", has_text="at most 47°").get_by_text("Lean of the trunk").wait_for()
        await page.wait_for_function("() => cornerman.skeleton?.drawn > 5")
        await page.get_by_role("button", name="Skeleton").click()
        ink = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)"
        assert not await page.locator(".bones").evaluate(ink)
        async with websockets.connect(f"{url.replace('http', 'ws')}/api/sources/demo/people.ws") as socket:
            message = json.loads(await socket.recv())
        assert message["run"] == actor.run and len(message["frames"][0]["people"][0]) == 33
        await watched.check()


async def test_summary_is_one_click_away(settings: Settings, bus: Bus) -> None:
    actor = mover(bus)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.goto(url)
        await page.locator(".board .bars .mistake").first.wait_for()
        async with watched.context.expect_page() as opened:
            await page.get_by_role("link", name="Summary").click()
        summary = await opened.value
        await summary.get_by_role("heading", name="Session: demo").wait_for()
        await summary.get_by_text("with mistakes (too shallow").wait_for()
        await summary.locator("img").first.wait_for()
        told = await _summary(settings, "demo", "")  # as `cornerman summary demo`
        assert [(one.exercise, set(one.mistakes)) for one in told.sets] == [("squat", {"too shallow"})]  # it goes on
        asked = await (await page.request.get(f"{url}/api/sources/demo/summary")).json()
        assert asked["run"] == told.run == actor.run and asked["sets"][0]["exercise"] == "squat"
        await watched.check()
