"""A real browser for tests: the installed Chromium through Playwright, and a record of a page's errors."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
)
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
CSP_WATCH = (
    "window.cspReports = []; addEventListener('securitypolicyviolation', "
    "(e) => window.cspReports.push(`${e.violatedDirective} ${e.blockedURI}`));"
)
PATIENCE_MS = 180_000
"""Limit of every wait, on a busy machine. A wait ends with its condition."""

SLOW = ("WebSocket is closed before the connection is established",)
"""Console messages of a page that drops a slow connection and reconnects; allowed on every page."""

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def chromium() -> str:
    """Path of the browser. A machine without one fails the tests."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)
    assert found, "no Chromium on PATH: apt-get install chromium, or set CHROMIUM to its path"
    return found


@contextlib.asynccontextmanager
async def browser(extra: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Runs Chromium without a window."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, *extra], timeout=PATIENCE_MS
        )
        try:
            yield opened
        finally:
            await opened.close()


@dataclass
class Watched:
    """A page, and the errors that it logged.

    Attributes:
        expected: parts of messages that are not errors in this test.
    """

    page: Page
    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    async def check(self) -> None:
        """Fails if the page logged an error, threw, or broke the content security policy."""
        reports = await self.page.evaluate("window.cspReports ?? []")
        found = [text for text in self.errors if not any(part in text for part in (*self.expected, *SLOW))]
        wrong = [*found, *reports]
        assert not wrong, wrong


@contextlib.asynccontextmanager
async def page_of(
    opened: Browser, viewport: dict[str, int] | None = None, scheme: str = "dark", **options: object
) -> AsyncIterator[Watched]:
    """Opens a page in a new profile."""
    context = await opened.new_context(viewport=viewport or DESKTOP, color_scheme=scheme, **options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(CSP_WATCH)
    page = await context.new_page()
    watched = Watched(page, context)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            watched.errors.append(f"console: {message.text} ({message.location.get('url', '')})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: watched.errors.append(f"thrown: {error}"))
    try:
        yield watched
    finally:
        await context.close()
