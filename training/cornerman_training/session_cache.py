"""Sessions encoded by the trained towers, cached on disk: the training data of the head and the language half.

Each session is encoded once, by several processes; an interrupted run continues with the missing sessions. The cache
folder's name has a checksum of the towers' weights.
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

from cornerman_training.features import SessionFeatures, image_features, label_features, run_towers
from cornerman_training.gym.session import plan_session
from cornerman_training.sampling import CHUNK, SAMPLE_FPS, STRIDE
from mobile_videogpt.vision import VisionHalf

if TYPE_CHECKING:
    from cornerman_training.gym.session import GymSession
    from mobile_videogpt.config import MobileVideoGPTConfig


@dataclass(frozen=True, slots=True)
class EncodedSession:
    """One session with its tokens.

    Attributes:
        session: features and labels.
        images: [T,P,Wc] float16, image tokens of every frame.
        groups: [C,G,k*p*p,Wv] float16, pooled video tokens of every chunk as the video projector reads them.
    """

    session: SessionFeatures
    images: Tensor
    groups: Tensor

    def context(self, last: int, chunks: int) -> tuple[Tensor, Tensor]:
        """Image tokens [8 + 4 (n - 1), P, Wc] and groups [n, G, .., Wv] of the `chunks` = n chunks up to `last`."""
        first = last - chunks + 1
        # Overlapping frames appear once, as in the product's prompt.
        begin = first * STRIDE
        end = last * STRIDE + CHUNK
        return self.images[begin:end], self.groups[first : last + 1]


def encode_session(vision: VisionHalf, split: str, seed: int, duration_s: float) -> EncodedSession:
    """Runs one session through both towers."""
    session, images, videos = run_towers(vision, _plan(split, seed, duration_s))
    with torch.inference_mode():
        groups = vision.grouped(videos.to(vision.device)).cpu()
    return EncodedSession(session, images.half().clone(), groups.half().clone())


class SessionCache:
    """Sessions encoded by one pair of towers, one file each.

    Args:
        folder: of the run.
        vision: the towers.
        duration_s: of every session.
        workers: processes that render and encode; 0 encodes in this process.
    """

    def __init__(self, folder: Path, vision: VisionHalf, duration_s: float, workers: int = 0) -> None:
        self._root, self._vision, self._duration_s, self._workers = folder / "seen", vision, duration_s, workers

    def encoded(self, split: str, seeds: range) -> list[EncodedSession]:
        """Sessions through both towers, in the order of their seeds."""
        out: list[EncodedSession] = []
        for seed, path in self._paths(split, seeds, video=True):
            row = torch.load(path, weights_only=True)
            out.append(EncodedSession(self._labelled(split, seed, row), row["images"], row["groups"]))
        return out

    def image_features(self, split: str, seeds: range) -> list[SessionFeatures]:
        """Sessions through the image tower alone, see `features.image_features`."""
        paths = self._paths(split, seeds, video=False)
        return [self._labelled(split, seed, torch.load(path, weights_only=True)) for seed, path in paths]

    def _labelled(self, split: str, seed: int, row: dict[str, Tensor]) -> SessionFeatures:
        # Labels are not stored: planning the session again is fast.
        return label_features(_plan(split, seed, self._duration_s), row["features"].numpy())

    def _paths(self, split: str, seeds: range, video: bool) -> list[tuple[int, Path]]:
        towers = [self._vision.image_vision_tower, *([self._vision.vision_tower] if video else [])]
        folder = self._root / f"{'both' if video else 'image'}-{_fingerprint(towers)}-{self._duration_s:g}s"
        folder.mkdir(parents=True, exist_ok=True)
        paths = {seed: folder / f"{split}-{seed}.pt" for seed in seeds}
        todo = [(split, seed, self._duration_s, video, path) for seed, path in paths.items() if not path.exists()]

        def report(done: int) -> None:
            if done % 20 == 0 or done == len(todo):
                print(f"[{'towers' if video else 'image tower'}] {split} sessions {done}/{len(todo)}", flush=True)

        if self._workers:
            _in_processes(self._vision, todo, self._workers, report)
        else:
            for i, job in enumerate(todo):
                _make(self._vision, *job)
                report(i + 1)
        return list(paths.items())


_Job = tuple[str, int, float, bool, Path]
_worker_vision: list[VisionHalf] = []


def _start_worker(config: MobileVideoGPTConfig, weights: dict[str, Tensor]) -> None:
    torch.set_num_threads(1)  # one process per core
    vision = VisionHalf(config)
    vision.load_state_dict(weights)
    _worker_vision.append(vision.eval())


def _run_job(job: _Job) -> None:
    _make(_worker_vision[0], *job)


def _in_processes(vision: VisionHalf, jobs: Sequence[_Job], workers: int, report: Callable[[int], None]) -> None:
    weights = {k: v.cpu() for k, v in vision.state_dict().items()}
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start_worker, (vision.config, weights)) as pool:
        for done, _ in enumerate(pool.map(_run_job, jobs)):
            report(done + 1)


def _make(vision: VisionHalf, split: str, seed: int, duration_s: float, video: bool, path: Path) -> None:
    if video:
        encoded = encode_session(vision, split, seed, duration_s)
        row = {
            "features": torch.from_numpy(encoded.session.features),
            "images": encoded.images,
            "groups": encoded.groups,
        }
    else:
        session = image_features(vision, _plan(split, seed, duration_s))
        row = {"features": torch.from_numpy(session.features)}
    # Renamed when complete, so that an interrupted run leaves no partial file.
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
