"""The selective scan and its short convolution: one interface, back ends chosen at run time.

Tensors are channel-last, `[B, L, D]`, like the projections before and after the scan. The state is float32 in every
back end, and `reverse=True` scans from the end without a copy.
"""

from __future__ import annotations

from mobile_videogpt.scan.dispatch import available_backends, causal_conv_silu, selective_scan

__all__ = ["available_backends", "causal_conv_silu", "selective_scan"]
