"""Writes a contact sheet of many sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cornerman_training.gym.render import SessionRenderer
from cornerman_training.gym.session import plan_session


def contact_sheet(out: Path, size: int, columns: int, rows: int, split: str, first_seed: int) -> None:
    """Writes a PNG of `rows` x `columns` frames; three neighbours show one repetition of one session."""
    canvas = np.zeros((rows * size, columns * size, 3), dtype=np.uint8)
    cell, seed = 0, first_seed
    while cell < rows * columns:
        session = plan_session(seed, split, fps=8.0, duration_s=30.0)
        renderer = SessionRenderer(session, size, compress=True)
        reps = [r for r in session.reps if r.mistake] or list(session.reps)
        start, end = (reps[0].start_s, reps[0].end_s) if reps else (8.0, 12.0)
        for share in (0.0, 0.25, 0.5):
            if cell >= rows * columns:
                break
            index = min(int((start + (end - start) * share) * session.fps), session.frames - 1)
            y, x = divmod(cell, columns)
            canvas[y * size : (y + 1) * size, x * size : (x + 1) * size] = renderer.frame(index)
            cell += 1
        seed += 1
    Image.fromarray(canvas).save(out)
