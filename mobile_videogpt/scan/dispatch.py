"""The public scan: checks shapes, then calls the best back end for the device.

On CUDA `mamba_ssm` if it is installed, else Triton; on the CPU numba; plain torch if none of them is available. A back
end requested by name is used or refused, never replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from torch import Tensor

Scan = Callable[..., Tensor]

# Back end -> (module it needs, device type, module of its scan); best first.
_BACKENDS = {
    "mamba_ssm": ("mamba_ssm", "cuda", "mamba_scan"),
    "triton": ("triton", "cuda", "triton_scan"),
    "numba": ("numba", "cpu", "numba_scan"),
    "torch": ("torch", "", "torch_scan"),
}


@cache
def available_backends(device: str = "cpu") -> tuple[str, ...]:
    """Back ends of the scan for tensors on a device type (`"cpu"`, `"cuda"`, ...), best first."""
    return tuple(name for name, (module, kind, _) in _BACKENDS.items() if kind in ("", device) and find_spec(module))


@cache
def _function(backend: str, name: str) -> Scan:
    found: Scan = getattr(import_module(f"mobile_videogpt.scan.{_BACKENDS[backend][2]}"), name)
    return found


def selective_scan(
    u: Tensor,
    step: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    *,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor:
    """Mamba's scan (https://arxiv.org/abs/2312.00752, section 3), channel-last and differentiable.

    With `delta = softplus(step)`: `h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t` and
    `y_t = h_t C_t + D u_t`, the state `h [batch, channels, N]` in float32 and zero at the start.

    Args:
        u: `[batch, L, channels]`, any floating dtype.
        step: `[batch, L, channels]`, before softplus, its bias added.
        A: `[channels, N]`, negative.
        B, C: `[batch, L, N]`.
        D: `[channels]`.
        reverse: scan from the last step to the first, without a copy.
        backend: one of `available_backends(u.device.type)`; None takes the first of them.

    Returns:
        `[batch, L, channels]` in the dtype of `u`.

    Raises:
        ValueError: on shapes that do not fit, or a back end that cannot run here.
    """
    batch, length, channels = u.shape
    states = A.shape[-1]
    wanted = {
        "u": (u, (batch, length, channels)),
        "step": (step, (batch, length, channels)),
        "A": (A, (channels, states)),
        "B": (B, (batch, length, states)),
        "C": (C, (batch, length, states)),
        "D": (D, (channels,)),
    }
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; beside u {tuple(u.shape)} it must be {shape}")
    if length == 0:
        raise ValueError(f"u has shape {tuple(u.shape)}; there is nothing to scan")
    # `usable` is never empty: plain torch runs on every device.
    usable = available_backends(u.device.type)
    if backend is not None and backend not in usable:
        raise ValueError(
            f"scan back end {backend!r} cannot run on {u.device.type} here; usable are {', '.join(usable)}"
        )
    name = backend or usable[0]
    return _function(name, f"{name}_scan")(u, step, A, B, C, D, reverse=reverse)


def causal_conv_silu(u: Tensor, weight: Tensor, bias: Tensor, *, reverse: bool = False) -> Tensor:
    """SiLU of a causal depthwise convolution: it reads past steps only, or with `reverse` later steps only.

    Args:
        u: `[batch, L, channels]`.
        weight: `[channels, 1, taps]`, laid out as in `nn.Conv1d`; the last tap is for the present step.
        bias: `[channels]`.
        reverse: the same, mirrored in time.

    Returns:
        `[batch, L, channels]` in the dtype of `u`.
    """
    backend = "numba" if "numba" in available_backends(u.device.type) else "torch"
    return _function(backend, f"{backend}_conv_silu")(u, weight, bias, reverse=reverse)
