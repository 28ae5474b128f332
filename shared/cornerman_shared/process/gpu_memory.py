"""GPU memory of this process as torch counts it. Imports no torch: without it, there is nothing to count."""

from __future__ import annotations

import sys


def gpu_memory() -> dict[str, float]:
    """Bytes allocated now, reserved now, and allocated at the peak, over all CUDA devices; empty without one.

    Names: `gpu_allocated_bytes`, `gpu_reserved_bytes`, `gpu_peak_bytes`.
    """
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    # Asking for memory would initialise CUDA, which takes half a second and 300 MB.
    if cuda is None or not cuda.is_initialized():
        return {}
    devices = range(cuda.device_count())
    return {
        "gpu_allocated_bytes": float(sum(cuda.memory_allocated(one) for one in devices)),
        "gpu_reserved_bytes": float(sum(cuda.memory_reserved(one) for one in devices)),
        "gpu_peak_bytes": float(sum(cuda.max_memory_allocated(one) for one in devices)),
    }
