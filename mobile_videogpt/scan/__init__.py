"""The selective scan and its short convolution: one interface, back ends chosen at run time.

Tensors are channel-last, `[B, L, D]`, as the projections round the scan make and take them. The state is
float32 in every back end, and `reverse=True` scans from the end without copying anything.
"""

from __future__ import annotations

from mobile_videogpt.scan.dispatch import available_backends, causal_conv_silu, selective_scan

__all__ = ["available_backends", "causal_conv_silu", "selective_scan"]
