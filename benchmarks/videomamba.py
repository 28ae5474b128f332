"""Time of one 8-frame chunk in the full video tower, beside the usual pure-PyTorch scan.

    python -m benchmarks.videomamba [--threads 2] [--repeats 3] [--dtype float32] [--skip-reference]

Prints one JSON object; `ratio` is the reference's best time over ours, measured in the same process run, and
`ratio_cpu` the same of processor time, which depends less on the machine's load. Weights are random: the time does not
depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
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
    """The scan that Mamba code uses without its CUDA kernel.

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


def _race(runners: dict[str, Callable[[], Tensor]], rounds: int) -> dict[str, dict[str, float]]:
    """Times every runner once a round, so that other load slows all of them; the best round is least disturbed."""
    walls: dict[str, list[float]] = {name: [] for name in runners}
    cpus: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            walls[name].append(time.perf_counter() - wall)
            cpus[name].append(time.process_time() - cpu)
    return {
        name: {
            "median_s": round(statistics.median(walls[name]), 3),
            "best_s": round(min(walls[name]), 3),
            "best_cpu_s": round(min(cpus[name]), 3),
        }
        for name in runners
    }


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

    runners: dict[str, Callable[[], Tensor]] = {
        name: partial(encode, through(name)) for name in available_backends("cpu")
    }
    ours = list(runners)
    for run in runners.values():
        run()  # compiles
    runners["no_scan"] = lambda: encode(lambda u, *_, reverse: u)
    if not options.skip_reference:
        runners["reference"] = lambda: encode(unfused_scan)
    times = _race(runners, options.repeats)
    report: dict[str, object] = {
        "question": "seconds for one 8-frame chunk through VideoMamba-M",
        "threads": options.threads,
        "weights": options.dtype,
        "tokens": config.sequence_length,
        "torch": torch.__version__,
        "times": times,
    }
    if not options.skip_reference:
        for label, key in (("ratio", "best_s"), ("ratio_cpu", "best_cpu_s")):
            report[label] = {name: round(times["reference"][key] / times[name][key], 2) for name in ours}
        difference = (encode(unfused_scan) - encode(through(ours[0]))).abs().max()
        report["max_difference"] = float(f"{difference.item():.2g}")
    json.dump(report, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
