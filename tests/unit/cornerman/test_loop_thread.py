"""A coach that was not closed: the loop in its thread ends before the process does."""

from __future__ import annotations

import subprocess
import sys

LEFT_OPEN = """
import asyncio, threading, time
from cornerman.engine.loop_thread import LoopThread

begun = threading.Event()

async def work():
    begun.set()
    try:
        await asyncio.sleep(60)
    finally:
        time.sleep(0.2)  # a model that is busy
        print("ended", flush=True)

loop = LoopThread("left open")
threading.Thread(target=loop.run, args=(work(),), daemon=True).start()
begun.wait()
"""


def test_open_loop_ends_with_the_process() -> None:
    """The process was aborted where the loop's thread was inside a model."""
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
