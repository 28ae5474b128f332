"""Voice: one text at a time, no stale texts, silent when muted."""

from __future__ import annotations

from cornerman_shared.bus.connection import Bus
from cornerman_shared.settings.tree import Settings
from tests.e2e.page.harness import open_page, quick, until_said

VOICE = """async (script) => {
  const { Voice } = await import("/static/js/voice.js");
  window.SpeechSynthesisUtterance = class extends EventTarget { constructor(text) { super(); this.text = text; } };
  let now = 0;
  performance.now = () => now;
  const said = [];
  let cancelled = 0;
  let current = null;
  const voice = new Voice({ speak(u) { if (current) said.push("OVER ITSELF"); current = u; said.push(u.text); },
                            cancel() { cancelled += 1; current = null; } });
  voice.on = true;
  for (const [step, text, kind] of script) {
    if (step === "say") voice.say({ text, kind: kind ?? "praise" });
    if (step === "wait") now += text;
    if (step === "end") { const u = current; current = null; u.dispatchEvent(new Event("end")); }
    if (step === "fail") { const u = current; current = null; u.dispatchEvent(new Event("error")); }
    if (step === "mute") voice.toggle();
  }
  return { said, dropped: voice.dropped, cancelled };
}"""


async def perform(settings: Settings, bus: Bus, script: list[list[object]]) -> dict[str, object]:
    """Runs the steps with a fake speech synthesis on the page; returns texts and counters."""
    async with open_page(settings, bus) as (url, _, watched):
        await watched.page.goto(f"{url}/#/health")
        found: dict[str, object] = await watched.page.evaluate(VOICE, script)
        await watched.check()
        return found


async def test_voice_never_overlaps(settings: Settings, bus: Bus) -> None:
    """A text is spoken for as long as the test decides; meanwhile others arrive."""
    fake = """
        window.spoken = []; window.current = null;
        window.ended = () => { const u = window.current; window.current = null; u.dispatchEvent(new Event('end')); };
        class Utterance extends EventTarget { constructor(text) { super(); this.text = text; } }
        window.SpeechSynthesisUtterance = Utterance;
        Object.defineProperty(window, 'speechSynthesis', { value: {
          speak(u) { if (window.current) throw new Error("over itself");
                     window.current = u; window.spoken.push(u.text); },
          cancel() { window.current = null; },
        } });
    """
    actor = quick(bus, say_every=2)
    async with open_page(settings, bus, actor) as (url, _, watched):
        page = watched.page
        await page.add_init_script(fake)
        await page.goto(f"{url}/#/s/demo")
        await page.get_by_role("button", name="Voice is off").click()
        for count in (1, 2, 3):
            await page.wait_for_function("(n) => window.spoken.length >= n", arg=count)
            await until_said(watched, len(actor.said) + 3)
            assert await page.evaluate("window.spoken.length") == count  # the others wait or are dropped
            await page.evaluate("window.ended()")
        spoken = await page.evaluate("window.spoken")
        assert set(spoken) <= set(actor.said)
        await page.get_by_role("button", name="Voice is on").click()
        count = await page.evaluate("window.spoken.length")
        await until_said(watched, len(actor.said) + 3)
        assert await page.evaluate("window.spoken.length") == count
        await watched.check()


async def test_only_the_newest_text_waits(settings: Settings, bus: Bus) -> None:
    found = await perform(settings, bus, [["say", "one"], ["say", "two"], ["say", "three"], ["end"], ["end"]])
    assert found["said"] == ["one", "three"]
    assert found["dropped"] == 1


async def test_stale_text_is_dropped(settings: Settings, bus: Bus) -> None:
    found = await perform(settings, bus, [["say", "one"], ["say", "two"], ["wait", 6001], ["end"], ["say", "three"]])
    assert found["said"] == ["one", "three"]
    assert found["dropped"] == 1


async def test_praise_does_not_replace_correction(settings: Settings, bus: Bus) -> None:
    script: list[list[object]] = [["say", "one"], ["say", "deeper", "correction"], ["say", "good"], ["fail"], ["end"]]
    assert (await perform(settings, bus, script))["said"] == ["one", "deeper"]


async def test_muted_voice_stops(settings: Settings, bus: Bus) -> None:
    script: list[list[object]] = [["say", "one"], ["say", "two"], ["mute"], ["say", "three"], ["mute"]]
    found = await perform(settings, bus, [*script, ["say", "out of memory", "failed"], ["say", "four"]])
    assert found["said"] == ["one", "four"]
    assert found["cancelled"] == 1
