"""MiniCPM-o: permission for its own code before anything is run, AWQ with the repaired config, no thinking aloud."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers.quantizers import quantizer_awq

from cornerman_generator import remote_code
from cornerman_generator.backends import make_generator
from cornerman_generator.minicpm import suppress_thinking
from cornerman_generator.remote_code import code_digest
from cornerman_shared.bus.chunk_input import ChunkInput
from cornerman_shared.bus.messages import Request, Sampling
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.tree import GeneratorSettings, load_settings
from tests.unit.generator.minicpm_checkpoint import ReferenceAwqLinear, write_checkpoint

MakeRequest = Callable[..., Request]


def settings(folder: Path, **changes: Any) -> GeneratorSettings:
    return GeneratorSettings(**{"backend": "vlm", "model": str(folder), "device": "cpu", **changes})


def allowed(folder: Path, **changes: Any) -> GeneratorSettings:
    return settings(folder, trust_remote_code=f"{folder}@{code_digest(folder)}", **changes)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("transformers asked on the terminal"))
    write_checkpoint(tmp_path / "minicpm", awq=False)
    return tmp_path / "minicpm"


def test_our_message_comes_before_the_prompt(checkpoint: Path) -> None:
    files = r"\(configuration_minicpmo\.py, modeling_minicpmo\.py\)"
    with pytest.raises(ConfigError, match=rf"own code {files}.*_remote_code = '{checkpoint}@[0-9a-f]{{40}}'"):
        make_generator(settings(checkpoint))
    other = f"{checkpoint.parent}/other@{code_digest(checkpoint)}"
    with pytest.raises(ConfigError, match="brings its own code"):
        make_generator(settings(checkpoint, trust_remote_code=other))


def test_changed_code_is_refused(checkpoint: Path) -> None:
    before = allowed(checkpoint)
    (checkpoint / "modeling_minicpmo.py").write_text("print('other code')\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"has changed since it was allowed.*set '.*@[0-9a-f]{40}'"):
        make_generator(before)


def test_code_of_other_repositories_is_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    config["auto_map"]["AutoModel"] = "someone/else--modeling.Model"
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"another repository \(someone/else\)"):
        make_generator(allowed(checkpoint))


def test_hub_name_needs_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"model_type": "minicpmo", "auto_map": {"AutoConfig": "c.C"}}
    asked: list[str | None] = []
    monkeypatch.setattr(remote_code, "_hub_config", lambda name, revision: asked.append(revision) or config)
    with pytest.raises(ConfigError, match=r"trust_remote_code = 'openbmb/MiniCPM-o-4_5@COMMIT'"):
        remote_code.code_permission("openbmb/MiniCPM-o-4_5", "")
    with pytest.raises(ConfigError, match="'main' is not a commit"):
        remote_code.code_permission("openbmb/MiniCPM-o-4_5", "openbmb/MiniCPM-o-4_5@main")
    commit = "0123456789" * 4
    permission = remote_code.code_permission("openbmb/MiniCPM-o-4_5", f"openbmb/MiniCPM-o-4_5@{commit}")
    assert permission.pinned == {"trust_remote_code": True, "revision": commit, "code_revision": commit}
    assert asked == [None, commit]


def test_blanket_permission_is_refused() -> None:
    for value in (True, "true", "yes"):
        with pytest.raises(ConfigError, match="give NAME@REVISION"):
            load_settings({"generator": {"trust_remote_code": value}})
    assert load_settings({"generator": {"trust_remote_code": False}}).generator.trust_remote_code == ""


async def test_own_code_speaks(checkpoint: Path, request_for: MakeRequest, chunks: list[ChunkInput]) -> None:
    generator = make_generator(allowed(checkpoint))
    request = request_for(sampling=Sampling(max_new_tokens=6), prompt="How?")
    deltas = [delta async for delta in generator.generate(request, chunks)]
    await generator.close()
    assert len(deltas) == 6 and all(delta.n_tokens for delta in deltas)


class ThinkingTokenizer:
    """Knows `<think>`, or not."""

    unk_token_id = 0

    def __init__(self, think: int) -> None:
        self.think = think

    def convert_tokens_to_ids(self, token: str) -> int:
        return self.think if token == "<think>" else 0


def test_think_token_is_suppressed() -> None:
    from types import SimpleNamespace

    for known, wanted in ((77, 77), (0, 151_667)):
        llm = SimpleNamespace(generation_config=SimpleNamespace(suppress_tokens=[3]))
        suppress_thinking(SimpleNamespace(llm=llm), ThinkingTokenizer(known))
        assert llm.generation_config.suppress_tokens == [3, wanted]


def test_missing_awq_kernels_are_named(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "awq", awq=True)
    missing = [name for name in ("gptqmodel", "optimum") if importlib.util.find_spec(name) is None]
    if missing:
        with pytest.raises(ConfigError, match=rf"{' and '.join(missing)}, not installed.*'cornerman\[awq\]'"):
            make_generator(allowed(tmp_path / "awq"))
    else:
        assert make_generator(allowed(tmp_path / "awq")).model == "awq"


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel package, as far as transformers calls it, with a layer that unpacks its weights in plain torch."""

    def module(name: str, **content: object) -> None:
        fake = ModuleType(name)
        fake.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, fake)

    module("gptqmodel")
    module("gptqmodel.quantization", METHOD=type("METHOD", (), {"AWQ": "awq"}))
    module("gptqmodel.quantization.awq")
    module("gptqmodel.quantization.awq.modules")
    module("gptqmodel.quantization.awq.modules.act", ScaledActivation=object)
    module("gptqmodel.utils")
    module("gptqmodel.utils.importer", hf_select_quant_linear_v2=lambda **_: ReferenceAwqLinear)
    module("gptqmodel.utils.model", hf_gptqmodel_post_init=lambda model, **_: model)
    monkeypatch.setattr(quantizer_awq, "is_gptqmodel_available", lambda: True)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: found("json") if name in ("gptqmodel", "optimum") else found(name, *rest),
    )


async def test_repaired_awq_config_is_loaded(
    kernels: None,
    tmp_path: Path,
    request_for: MakeRequest,
    chunks: list[ChunkInput],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "awq"
    language = write_checkpoint(folder, awq=True)
    generator = make_generator(allowed(folder))
    model = generator._backend._model  # type: ignore[attr-defined]
    quantized = {name for name, part in model.named_modules() if isinstance(part, ReferenceAwqLinear)}
    meant = {f"llm.{name}" for name, part in language.named_modules() if type(part) is torch.nn.Linear}
    assert quantized == meant - {"llm.lm_head"}, "the language model, and nothing else"
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float16}
    with torch.inference_mode():
        ids = torch.tensor([[5, 9, 70, 33]])
        torch.testing.assert_close(model.llm(ids).logits, language.half()(ids).logits, atol=0.25, rtol=0.02)
    assert model.llm.generation_config.suppress_tokens == [1]
    request = request_for(sampling=Sampling(max_new_tokens=4), prompt="How?")
    assert len([delta async for delta in generator.generate(request, chunks)]) == 4
    await generator.close()
    monkeypatch.setattr("cornerman_generator.minicpm.NOT_QUANTIZED", ())
    with pytest.raises(ConfigError, match="in_features 4304 is no multiple of group_size 128"):
        make_generator(allowed(folder))
