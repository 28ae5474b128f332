"""The scan through the `mamba_ssm` package's CUDA kernel, if it is installed.

The kernel is channel-first and scans forwards only, so this module transposes and flips.
"""

from __future__ import annotations

from torch import Tensor


def mamba_ssm_scan(
    u: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False
) -> Tensor:
    """Shapes and meaning as in `selective_scan`."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    # The kernel wants u, step, B and C in one dtype; float32 keeps the step's precision.
    rows = [x.float().flip(1) if reverse else x.float() for x in (u, step, B, C)]
    u_first, step_first, b_first, c_first = (x.transpose(1, 2).contiguous() for x in rows)  # [batch, ., L]
    y: Tensor = selective_scan_fn(u_first, step_first, A.float(), b_first, c_first, D.float(), delta_softplus=True)
    y = y.transpose(1, 2)
    return (y.flip(1) if reverse else y).to(u.dtype)
