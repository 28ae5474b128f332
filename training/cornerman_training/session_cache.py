"""Sessions as the towers saw them, on disk and in memory: what the head and the language half are trained from.

Towers that have learnt are run once over each session, by as many processes as are asked for; a stopped run goes on
with the sessions that are missing. Other towers get a folder of their own.
"""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cornerman_training.features import SessionFeatures, image_features, label_features, watch
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, STRIDE
from mobile_videogpt.vision import VisionHalf

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession
    from mobile_videogpt.config import MobileVideoGPTConfig


@dataclass(frozen=True, slots=True)
class EncodedSession:
    """One session.

    Attributes:
        watched: features and truth, see `SessionFeatures`.
        images: [T,P,Wc] float16, image tokens of every frame.
        groups: [C,G,k*p*p,Wv] float16, pooled video tokens of every chunk as the video projector reads them.
    """

    watched: SessionFeatures
    images: Tensor
    groups: Tensor

    def context(self, last: int, chunks: int) -> tuple[Tensor, Tensor]:
        """Frames' tokens [8 + 4 (n - 1), P, Wc] and chunks' groups [n, G, .., Wv] of `n` chunks up to `last`."""
        first = last - chunks + 1
        begin = first * STRIDE
        end = last * STRIDE + CHUNK
        return self.images[begin:end], self.groups[first : last + 1]


def encode_session(vision: VisionHalf, split: str, seed: int, duration_s: float) -> EncodedSession:
    """Run one session through both towers."""
    session = _plan(split, seed, duration_s)
    watched, images, videos = watch(vision, session)
    with torch.inference_mode():
        groups = vision.grouped(videos.to(vision.device)).cpu()
    return EncodedSession(watched, images.half().clone(), groups.half().clone())


class SessionCache:
    """Sessions seen by one pair of towers, a file each.

    Args:
        folder: of the run.
        vision: the towers.
        duration_s: of every session.
        workers: processes that render and see; 0 does it in this one.
    """

    def __init__(self, folder: Path, vision: VisionHalf, duration_s: float, workers: int = 0) -> None:
        self._root, self._vision, self._duration_s, self._workers = folder / "seen", vision, duration_s, workers

    def both(self, split: str, seeds: range) -> list[EncodedSession]:
        """Sessions through both towers, in the order of their seeds."""
        out: list[EncodedSession] = []
        for seed, path in self._made(split, seeds, video=True):
            row = torch.load(path, weights_only=True)
            out.append(EncodedSession(self._labelled(split, seed, row), row["images"], row["groups"]))
        return out

    def images(self, split: str, seeds: range) -> list[SessionFeatures]:
        """Sessions through the image tower alone, see `features.image_features`."""
        made = self._made(split, seeds, video=False)
        return [self._labelled(split, seed, torch.load(path, weights_only=True)) for seed, path in made]

    def _labelled(self, split: str, seed: int, row: dict[str, Tensor]) -> SessionFeatures:
        # Only what the towers made is kept: what is true of a session is planned anew, in no time.
        return label_features(_plan(split, seed, self._duration_s), row["features"].numpy())

    def _made(self, split: str, seeds: range, video: bool) -> list[tuple[int, Path]]:
        towers = [self._vision.image_vision_tower, *([self._vision.vision_tower] if video else [])]
        folder = self._root / f"{'both' if video else 'image'}-{_fingerprint(towers)}-{self._duration_s:g}s"
        folder.mkdir(parents=True, exist_ok=True)
        paths = {seed: folder / f"{split}-{seed}.pt" for seed in seeds}
        todo = [(split, seed, self._duration_s, video, path) for seed, path in paths.items() if not path.exists()]

        def tell(done: int) -> None:
            if done % 20 == 0 or done == len(todo):
                print(f"[{'towers' if video else 'image tower'}] {split} sessions {done}/{len(todo)}", flush=True)

        if self._workers:
            _in_processes(self._vision, todo, self._workers, tell)
        else:
            for i, job in enumerate(todo):
                _make(self._vision, *job)
                tell(i + 1)
        return list(paths.items())


_Job = tuple[str, int, float, bool, Path]
_worker_vision: list[VisionHalf] = []


def _start_worker(config: MobileVideoGPTConfig, weights: dict[str, Tensor]) -> None:
    torch.set_num_threads(1)
    vision = VisionHalf(config)
    vision.load_state_dict(weights)
    _worker_vision.append(vision.eval())


def _work(job: _Job) -> None:
    _make(_worker_vision[0], *job)


def _in_processes(vision: VisionHalf, jobs: Sequence[_Job], workers: int, tell: Callable[[int], None]) -> None:
    weights = {k: v.cpu() for k, v in vision.state_dict().items()}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (vision.config, weights)) as pool:
        for done, _ in enumerate(pool.map(_work, jobs)):
            tell(done + 1)


def _make(vision: VisionHalf, split: str, seed: int, duration_s: float, video: bool, path: Path) -> None:
    if video:
        seen = encode_session(vision, split, seed, duration_s)
        row = {"features": torch.from_numpy(seen.watched.features), "images": seen.images, "groups": seen.groups}
    else:
        watched = image_features(vision, _plan(split, seed, duration_s))
        row = {"features": torch.from_numpy(watched.features)}
    part = path.with_suffix(".part")
    torch.save(row, part)
    part.replace(path)


def _plan(split: str, seed: int, duration_s: float) -> GymSession:
    return plan_session(seed, split, fps=SAMPLE_FPS, duration_s=duration_s)


def _fingerprint(towers: Sequence[torch.nn.Module]) -> str:
    code = 0
    for tower in towers:
        for _, value in sorted(tower.state_dict().items()):
            code = zlib.crc32(value.detach().cpu().contiguous().numpy().tobytes(), code)
    return f"{code:08x}"
