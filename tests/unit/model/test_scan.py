"""Every back end of the scan agrees with the definition, values and gradients, over random shapes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mobile_videogpt.scan import available_backends, causal_conv_silu, selective_scan
from mobile_videogpt.scan import numba_scan as numba_module
from mobile_videogpt.scan.mamba_scan import mamba_ssm_scan
from mobile_videogpt.scan.numba_scan import numba_conv_silu, numba_scan
from mobile_videogpt.scan.reference import naive_conv_silu, naive_scan
from mobile_videogpt.scan.torch_scan import torch_conv_silu, torch_scan

Scan = Callable[..., Tensor]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 75), st.integers(1, 9), st.sampled_from([1, 2, 3, 5, 16]))


few_shapes = st.tuples(st.integers(1, 2), st.integers(1, 40), st.integers(1, 20), st.sampled_from([1, 3, 16]))


seeds = st.integers(0, 2**31)


def _inputs(shape: tuple[int, int, int, int], seed: int, dtype: torch.dtype, device: str) -> list[Tensor]:
    batch, length, channels, states = shape
    rng = torch.Generator().manual_seed(seed)

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=rng)

    rows = [draw(batch, length, channels), 2 * draw(batch, length, channels) - 2]
    rows += [draw(batch, length, states), draw(batch, length, states)]
    u, step, b, c = (x.to(device, dtype) for x in rows)
    a, d = -4 * torch.rand(channels, states, generator=rng).to(device), draw(channels).to(device)
    return [x.requires_grad_() for x in (u, step, a, b, c, d)]


def _agree(scan: Scan, inputs: list[Tensor], *, reverse: bool) -> None:
    """Values to 1e-4, gradients to 1e-4 of the largest; bfloat16 results to their own resolution."""
    wanted, found = naive_scan(*inputs, reverse=reverse), scan(*inputs, reverse=reverse)
    assert found.dtype == wanted.dtype
    coarse = wanted.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-2 if coarse else 1e-5)
    weight = torch.linspace(-1, 1, wanted.numel(), device=wanted.device).view_as(wanted)
    for name, one, other in zip(
        ("u", "step", "A", "B", "C", "D"),
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((wanted * weight).sum(), inputs),
        strict=True,
    ):
        scale = max(1.0, float(other.abs().max()))
        tolerance = 2e-2 if coarse else 1e-4
        assert float((one - other).abs().max()) <= tolerance * scale, f"gradient of {name}"


@pytest.fixture(scope="module")
def triton_scan() -> Iterator[Scan]:
    """The Triton scan: native where there is a CUDA device, else in Triton's interpreter.

    Triton decides at decoration which of the two a function is for, and transformers may have imported it by
    now, so its own library functions are decorated again.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not torch.cuda.is_available():
            patch.setenv("TRITON_INTERPRET", "1")
            standard = importlib.reload(importlib.import_module("triton.language.standard"))
            language = importlib.import_module("triton.language")
            for name in set(vars(standard)) & set(vars(language)):
                patch.setattr(language, name, getattr(standard, name))
            for name in ("triton_kernels", "triton_scan"):
                patch.delitem(sys.modules, f"mobile_videogpt.scan.{name}", raising=False)
        found: Scan = importlib.import_module("mobile_videogpt.scan.triton_scan").triton_scan
        yield found


@pytest.mark.parametrize("scan", [torch_scan, numba_scan])
@settings(max_examples=25, deadline=None)
@given(shape=shapes, seed=seeds, reverse=st.booleans(), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_cpu_scan_equals_naive_scan(
    scan: Scan, shape: tuple[int, int, int, int], seed: int, reverse: bool, dtype: torch.dtype
) -> None:
    _agree(scan, _inputs(shape, seed, dtype, "cpu"), reverse=reverse)


@settings(max_examples=10, deadline=None)
@given(shape=few_shapes, seed=seeds, reverse=st.booleans(), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_triton_scan_equals_naive_scan(
    triton_scan: Scan, shape: tuple[int, int, int, int], seed: int, reverse: bool, dtype: torch.dtype
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    _agree(triton_scan, _inputs(shape, seed, dtype, device), reverse=reverse)


def test_triton_scan_crosses_chunks(triton_scan: Scan) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for reverse in (False, True):
        _agree(triton_scan, _inputs((2, 97, 19, 3), 5, torch.float32, device), reverse=reverse)


@settings(max_examples=10, deadline=None)
@given(shape=shapes, seed=seeds, reverse=st.booleans())
def test_mamba_ssm_scan_equals_naive_scan(shape: tuple[int, int, int, int], seed: int, reverse: bool) -> None:
    def selective_scan_fn(
        u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, delta_softplus: bool
    ) -> Tensor:
        """The package's documented interface: channel-first, forwards, one dtype."""
        assert delta_softplus
        assert {x.dtype for x in (u, delta, B, C)} == {torch.float32}
        return naive_scan(*(x.transpose(1, 2) for x in (u, delta)), A, *(x.transpose(1, 2) for x in (B, C)), D).mT

    interface = ModuleType("mamba_ssm.ops.selective_scan_interface")
    interface.selective_scan_fn = selective_scan_fn  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mamba_ssm", "mamba_ssm.ops"):
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setitem(sys.modules, interface.__name__, interface)
        _agree(mamba_ssm_scan, _inputs(shape, seed, torch.float32, "cpu"), reverse=reverse)


@pytest.mark.parametrize("conv", [torch_conv_silu, numba_conv_silu, causal_conv_silu])
@settings(max_examples=20, deadline=None)
@given(shape=shapes, taps=st.integers(1, 5), seed=seeds, reverse=st.booleans())
def test_convolution_equals_definition(
    conv: Scan, shape: tuple[int, int, int, int], taps: int, seed: int, reverse: bool
) -> None:
    batch, length, channels, _ = shape
    rng = torch.Generator().manual_seed(seed)
    wide = torch.randn(batch, length, 2 * channels, generator=rng)
    inputs = [wide[..., channels:], torch.randn(channels, 1, taps, generator=rng), torch.randn(channels, generator=rng)]
    inputs = [x.detach().requires_grad_() for x in inputs]
    wanted, found = naive_conv_silu(*inputs, reverse=reverse), conv(*inputs, reverse=reverse)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    weight = torch.linspace(-1, 1, wanted.numel()).view_as(wanted)
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), inputs),
        torch.autograd.grad((wanted * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_numba_threads_give_equal_results(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = _inputs((2, 65, 300, 16), 3, torch.float32, "cpu")
    taps = [torch.randn(300, 1, 4), torch.randn(300)]
    results = []
    for threads in (1, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        monkeypatch.setattr(numba_module, "_UPDATES_PER_THREAD", 1)
        y = numba_scan(*inputs) + numba_conv_silu(inputs[0], *taps)
        results.append((y, *torch.autograd.grad(y.square().sum(), inputs)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(other, one, atol=1e-3, rtol=1e-5)


def test_extreme_steps_stay_exact() -> None:
    inputs = [x.detach() for x in _inputs((1, 40, 8, 16), 9, torch.float32, "cpu")]
    inputs[1] = torch.linspace(-90, 90, 40)[None, :, None].expand(1, 40, 8)
    for backend in available_backends("cpu"):
        found = selective_scan(*inputs, backend=backend)
        torch.testing.assert_close(found, naive_scan(*inputs), atol=1e-4, rtol=1e-5)


def test_misfitting_shape_is_named() -> None:
    inputs = _inputs((1, 6, 4, 2), 1, torch.float32, "cpu")
    inputs[3] = inputs[3][:, :5]
    with pytest.raises(ValueError, match=r"B has shape \(1, 5, 2\).*must be \(1, 6, 2\)"):
        selective_scan(*inputs)


def test_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to scan"):
        selective_scan(*_inputs((1, 0, 4, 2), 1, torch.float32, "cpu"))


def test_unusable_back_end_is_refused() -> None:
    with pytest.raises(ValueError, match="'triton' cannot run on cpu here; usable are numba, torch"):
        selective_scan(*_inputs((1, 6, 4, 2), 1, torch.float32, "cpu"), backend="triton")
