"""LoRA adapters by any path, several at once, chosen by request and never mixed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from cornerman_common.adapter_choice import adapters_named
from cornerman_generator.adapter_switch import AdapterSwitch
from cornerman_generator.backends import make_generator
from cornerman_generator.protocol import TextDelta
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request
from cornerman_shared.errors import ConfigError, GenerationError
from cornerman_shared.settings.source import SaySettings
from cornerman_shared.settings.tree import GeneratorSettings
from mobile_videogpt import MobileVideoGPT, MobileVideoGPTConfig
from mobile_videogpt.tokenizer import tiny_tokenizer

MakeRequest = Callable[..., Request]
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tiny = MobileVideoGPTConfig.tiny()
    model = MobileVideoGPT(replace(tiny, language=replace(tiny.language, vocab_size=384)))
    for name, parameter in model.require_language().named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=1.0 if "embed" in name else 0.15)
    model.tokenizer = tiny_tokenizer()
    folder = tmp_path_factory.mktemp("ckpt") / "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def two(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two random adapters, each of which changes every reply."""
    folder = tmp_path_factory.mktemp("lora")
    return random_adapter(checkpoint, folder / "one", 1), random_adapter(checkpoint, folder / "two", 2)


def random_adapter(checkpoint: Path, folder: Path, seed: int) -> Path:
    model = MobileVideoGPT.from_pretrained(checkpoint, "language", device="cpu", dtype=torch.float32)
    torch.manual_seed(seed)
    peft = get_peft_model(model.require_language(), LoraConfig(r=4, target_modules=["q_proj", "v_proj", "up_proj"]))
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    peft.save_pretrained(folder, save_embedding_layers=False)
    return folder


def settings(checkpoint: Path, **changes: Any) -> GeneratorSettings:
    fields = {"backend": "mobile_videogpt", "model": str(checkpoint), "device": "cpu", "concurrency": 4}
    return GeneratorSettings(**{**fields, **changes})


async def text_of(deltas: AsyncIterator[TextDelta]) -> str:
    return "".join([delta.text async for delta in deltas])


ODD_PATHS = ["./lora_ok", "lora.v1.2", "a/b", "with space/x", "übung/läufer", "trailing/", "./dots/../dots2"]


@pytest.mark.parametrize("typed", ODD_PATHS)
async def test_any_path_is_an_adapter(
    checkpoint: Path,
    two: tuple[Path, Path],
    request_for: MakeRequest,
    chunks: list[ChunkInput],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dots").mkdir()
    folder = tmp_path / typed
    folder.mkdir(parents=True, exist_ok=True)
    for file in two[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    named = adapters_named({}, [SaySettings(adapter=typed)])
    monkeypatch.chdir("/")  # services may start elsewhere
    generator = make_generator(settings(checkpoint, adapters=named))
    plain = await text_of(generator.generate(request_for(), chunks))
    adapted = await text_of(generator.generate(request_for(adapter=typed), chunks))
    assert await text_of(generator.generate(request_for(), chunks)) == plain != adapted
    await generator.close()


async def test_concurrent_adapters_do_not_mix(
    checkpoint: Path, two: tuple[Path, Path], request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    adapters = {"one": str(two[0]), "two.b": str(two[1])}
    generator = make_generator(settings(checkpoint, adapters=adapters))
    names = ["one", "", "two.b"] * 4
    requests = [request_for(adapter=name) for name in names]
    alone = {name: await text_of(generator.generate(request_for(adapter=name), chunks)) for name in ("", *adapters)}
    together = await asyncio.gather(*(text_of(generator.generate(request, chunks)) for request in requests))
    await generator.close()
    assert len(set(alone.values())) == 3
    assert together == [alone[name] for name in names]


async def test_only_listed_adapters_are_used(
    checkpoint: Path, two: tuple[Path, Path], request_for: MakeRequest, chunks: list[ChunkInput]
) -> None:
    """A request comes from a source's settings, which others than the operator may change."""
    generator = make_generator(settings(checkpoint, adapters={"one": str(two[0])}))
    with pytest.raises(GenerationError, match=r"not listed in generator\.adapters; listed are: one"):
        await text_of(generator.generate(request_for(adapter=str(two[1])), chunks))
    await generator.close()


def test_bad_adapter_is_refused_at_start(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"generator\.adapters, 'x': .*has no adapter_config\.json"):
        make_generator(settings(checkpoint, adapters={"x": str(tmp_path / "empty")}))


class Lora:
    """Adapters that record their calls."""

    def __init__(self) -> None:
        self.active: str | None = None
        self.names: list[str] = []
        self.calls: list[str] = []

    def load(self, path: str, name: str) -> None:
        self.names.append(name)
        self.calls.append(f"load {path}")
        self.active = name

    def activate(self, name: str) -> None:
        self.calls.append(f"activate {name}")
        self.active = name

    def deactivate(self) -> None:
        self.calls.append("deactivate")
        self.active = None


class WithLora:
    """The part of a model that adapters use."""

    def __init__(self, lora: Lora) -> None:
        self.lora = lora

    @property
    def active_adapter(self) -> str | None:
        return self.lora.active


def switch_of(*names: str) -> tuple[AdapterSwitch, Lora]:
    lora = Lora()
    lora.names = list(names)
    return AdapterSwitch(WithLora(lora), dict.fromkeys(names, "/x")), lora  # type: ignore[arg-type]


def test_adapter_never_changes_during_reply() -> None:
    switch, lora = switch_of("coach", "other")
    active: list[str | None] = []
    with switch.using("coach"), switch.using("coach"):
        other = threading.Thread(target=lambda: _record(switch, lora, active))
        other.start()
        other.join(0.05)
        assert other.is_alive()
        assert lora.active == "coach"
    other.join(60)
    assert active == ["other"]
    with switch.using(""):
        assert lora.active is None
    assert lora.calls == ["activate coach", "activate other", "deactivate"]


def test_waiting_adapter_is_not_starved() -> None:
    """Replies with the active adapter that overlap would otherwise keep another one out for ever."""
    switch, lora = switch_of("coach", "other")
    active: list[str | None] = []
    late = threading.Event()
    with switch.using("coach"):
        other = threading.Thread(target=lambda: _record(switch, lora, active))
        other.start()
        while not switch._waiting:
            threading.Event().wait(0.001)
        third = threading.Thread(target=lambda: _enter(switch, late))
        third.start()
        assert not late.wait(0.05), "it came after the one that waits"
    for thread in (other, third):
        thread.join(60)
    assert active == ["other"]
    assert lora.calls == ["activate coach", "activate other", "activate coach"]


def _record(switch: AdapterSwitch, lora: Lora, active: list[str | None]) -> None:
    with switch.using("other"):
        active.append(lora.active)


def _enter(switch: AdapterSwitch, entered: threading.Event) -> None:
    with switch.using("coach"):
        entered.set()
