"""How long one 8-frame chunk takes in the full video tower, beside the usual pure-PyTorch scan.

    python -m benchmarks.videomamba [--threads 2] [--repeats 3] [--dtype float32] [--skip-reference]

Prints one JSON object; `ratio` is the reference's best time over ours, measured in the same process run, and
`ratio_cpu` the same of processor time, which a busy machine blurs less. Weights are random: the time does not
depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from mobile_videogpt import videomamba
from mobile_videogpt.config import VideoMambaConfig
from mobile_videogpt.scan import available_backends, selective_scan


def unfused_scan(
    u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False
) -> Tensor:
    """The formulation that Mamba code falls back to without its CUDA kernel.

    Decays and inflows of all steps at once, `[batch, D, L, N]` each, then one step of the state and one product
    with C per token; channel-first, and the backward direction by flipping.
    """
    if reverse:
        return unfused_scan(u.flip(1), step.flip(1), A, B.flip(1), C.flip(1), D).flip(1)
    x, delta = u.float().transpose(1, 2), F.softplus(step.float()).transpose(1, 2)  # [batch, D, L]
    b, c = B.float().transpose(1, 2), C.float().transpose(1, 2)  # [batch, N, L]
    decay = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    inflow = torch.einsum("bdl,bnl,bdl->bdln", delta, b, x)
    state = A.new_zeros(x.shape[0], x.shape[1], A.shape[1])
    outputs = []
    for t in range(x.shape[2]):
        state = decay[:, :, t] * state + inflow[:, :, t]
        outputs.append(torch.einsum("bdn,bn->bd", state, c[:, :, t]))
    y = torch.stack(outputs, dim=2) + x * D[:, None]
    return y.transpose(1, 2).to(u.dtype)


def _time(work: Callable[[], Tensor], repeats: int) -> dict[str, float]:
    """Median and best of `repeats` runs after one to warm up; on a busy machine the best is nearest the truth."""
    work()
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    times = {"median_s": statistics.median(walls), "best_s": min(walls), "best_cpu_s": min(cpus)}
    return {name: round(value, 3) for name, value in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights")
    parser.add_argument("--skip-reference", action="store_true", help="time our back ends only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    config = VideoMambaConfig()
    dtype = getattr(torch, options.dtype)
    tower = videomamba.VideoMamba(config).eval().to(dtype)
    pixels = torch.randn(1, config.num_frames, 3, config.image_size, config.image_size, dtype=dtype)

    def encode(scan: Callable[..., Tensor]) -> Tensor:
        with torch.inference_mode(), patch.object(videomamba, "selective_scan", scan):
            features: Tensor = tower(pixels)
        return features

    def through(backend: str) -> Callable[..., Tensor]:
        return lambda *tensors, reverse: selective_scan(*tensors, reverse=reverse, backend=backend)

    report: dict[str, object] = {
        "question": "seconds for one 8-frame chunk through VideoMamba-M",
        "threads": options.threads,
        "weights": options.dtype,
        "tokens": config.sequence_length,
        "torch": torch.__version__,
    }
    backends = available_backends("cpu")
    ours = {name: _time(lambda name=name: encode(through(name)), options.repeats) for name in backends}  # type: ignore[misc]
    report["ours"] = ours
    report["no_scan"] = _time(lambda: encode(lambda u, *_, reverse: u), options.repeats)
    if not options.skip_reference:
        reference = _time(lambda: encode(unfused_scan), max(1, options.repeats // 2))
        report["reference"] = reference
        for label, key in (("ratio", "best_s"), ("ratio_cpu", "best_cpu_s")):
            report[label] = {name: round(reference[key] / times[key], 2) for name, times in ours.items()}
        difference = (encode(unfused_scan) - encode(through(backends[0]))).abs().max()
        report["max_difference"] = float(f"{difference.item():.2g}")
    json.dump(report, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
