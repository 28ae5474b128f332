"""LoRA adapters on the language half: load, choose, merge, unload, several side by side.

An adapter is checked name by name before PEFT sees it, because PEFT only warns. The other weights that its training
changed (the projectors, in `non_lora_trainables.bin`) and its system prompt are loaded and unloaded with it. Do not
call this while a reply is being generated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from peft import PeftModel
from torch import Tensor, nn

from mobile_videogpt import names
from mobile_videogpt.errors import AdapterError, listed
from mobile_videogpt.hub import resolve
from mobile_videogpt.published_config import SECTION
from mobile_videogpt.transformers_api import adapters_created
from mobile_videogpt.weights import read_file

if TYPE_CHECKING:
    from mobile_videogpt.network import VideoLanguageNetwork
    from mobile_videogpt.weights import WeightFiles

CONFIG_FILE = "adapter_config.json"
WEIGHT_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_LEVEL = "base_model.model."
_LORA = re.compile(r"^(?P<module>.+)\.lora_(?P<side>A|B|embedding_A|embedding_B)(\.weight)?$")


class TrainablesReader(Protocol):
    """Reads `non_lora_trainables.bin` of a folder for one part of the model."""

    def __call__(self, folder: Path, part: names.Part) -> WeightFiles | None: ...


class LoraAdapters:
    """The adapters of one model.

    Args:
        model: the model; its language half must be there to load an adapter.
        read_trainables: reads the other weights that an adapter's training changed.
        changed: called after the weights changed; drops cached states.
    """

    def __init__(
        self, model: VideoLanguageNetwork, read_trainables: TrainablesReader, changed: Callable[[], None]
    ) -> None:
        self._model = model
        self._read_trainables = read_trainables
        self._changed = changed
        self._peft: PeftModel | None = None
        self._inner: dict[str, str] = {}  # PEFT makes names of modules from its names, so it gets some without dots
        self._extras: dict[str, dict[str, Tensor]] = {}
        self._originals: dict[str, Tensor] = {}
        self._prompts: dict[str, str] = {}
        self._own_prompt = model.config.system_prompt
        self.active: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of the loaded adapters, in the order of loading."""
        return list(self._extras)

    def load(self, path_or_name: str | Path, name: str = "default") -> None:
        """Loads an adapter and makes it the active one. `name` may be any text.

        On a model with the vision half only, only the projectors of `non_lora_trainables.bin` are used.

        Raises:
            AdapterError: if it does not fit this model, or the name is taken.
            CheckpointError: if the folder does not exist or a file is damaged.
        """
        if name in self._extras:
            raise AdapterError(f"an adapter named {name!r} is loaded already; choose another name or unload")
        folder = resolve(path_or_name).absolute()
        extra, prompt = self._checked_extra(folder), _system_prompt(folder)
        # Checked before PEFT changes the model, so that a refused adapter leaves no trace.
        if self._model.language is not None:
            check_adapter(self._model.language, folder)
            inner = f"adapter_{len(self._inner)}"
            self._inject(self._model.language, str(folder), inner)
            self._inner[name] = inner
        elif not extra:
            raise AdapterError(f"{folder} changes the language half only, and this model was loaded with part='vision'")
        if not self._extras:
            self._own_prompt = self._model.config.system_prompt
        self._extras[name] = extra
        self._prompts[name] = prompt or self._own_prompt
        self.activate(name)

    def activate(self, name: str) -> None:
        """Makes one of the loaded adapters the active one.

        Raises:
            AdapterError: if no adapter has that name.
        """
        if name not in self._extras:
            raise AdapterError(f"no adapter is named {name!r}; loaded are {self.names or 'none'}")
        if self._peft is not None:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(self._inner[name])
        # The previous adapter's projectors go first: the originals below must be the base's.
        self._restore_extras()
        for parameter_name, tensor in self._extras[name].items():
            parameter = self._model.get_parameter(parameter_name)
            self._originals[parameter_name] = parameter.detach().clone()
            parameter.data.copy_(tensor)
        self._set_prompt(self._prompts[name])
        self.active = name
        self._changed()

    def merge(self) -> None:
        """Merges the active adapter into the weights and removes all adapters.

        Raises:
            AdapterError: if none is loaded.
        """
        if self.active is None:
            raise AdapterError("no adapter is loaded, so there is nothing to merge")
        if self._peft is not None:
            self._peft.merge_and_unload(adapter_names=[self._inner[self.active]])
        self._originals.clear()
        self._reset()

    def deactivate(self) -> None:
        """Makes the model answer as without adapters, bit-equal; they stay loaded for `activate`."""
        if self._peft is not None:
            self._peft.base_model.disable_adapter_layers()
        self._restore_extras()
        self._set_prompt(self._own_prompt)
        self.active = None
        self._changed()

    def unload(self) -> None:
        """Removes all adapters; the base model is bit-equal to before `load`."""
        if self._peft is not None:
            self._peft.unload()
        self._restore_extras()
        self._set_prompt(self._own_prompt)
        self._reset()

    def _inject(self, language: nn.Module, folder: str, name: str) -> None:
        with adapters_created():
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(
                    language, folder, adapter_name=name, autocast_adapter_dtype=False
                )
            else:
                self._peft.load_adapter(folder, adapter_name=name, autocast_adapter_dtype=False)
        self._peft.eval()

    def _reset(self) -> None:
        self._peft, self.active = None, None
        self._extras.clear()
        self._prompts.clear()
        self._inner.clear()
        self._changed()

    def _set_prompt(self, prompt: str) -> None:
        self._model.config = replace(self._model.config, system_prompt=prompt)

    def _restore_extras(self) -> None:
        for name, tensor in self._originals.items():
            self._model.get_parameter(name).data.copy_(tensor)
        self._originals.clear()

    def _checked_extra(self, folder: Path) -> dict[str, Tensor]:
        files = self._read_trainables(folder, self._model.part)
        if files is None:
            return {}
        own = dict(self._model.named_parameters(remove_duplicate=False))
        found = {names.module_name(name): name for name in files.shapes}
        odd = [
            published
            for inner, published in found.items()
            if inner not in own or tuple(own[inner].shape) != files.shapes[published]
        ]
        if odd:
            raise AdapterError(
                f"non_lora_trainables.bin in {folder} has names or shapes this model lacks: {listed(odd)}; "
                "it was trained on another model"
            )
        return {inner: files.read(published) for inner, published in found.items()}


def check_adapter(language: nn.Module, folder: Path) -> None:
    """Compares an adapter's names and shapes with the model it is for.

    Raises:
        AdapterError: if it is not a LoRA adapter, or names or shapes do not fit.
    """
    config = _read_config(folder)
    path = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
    if path is None:
        raise AdapterError(f"{folder} has an {CONFIG_FILE} but no weights; expected {' or '.join(WEIGHT_FILES)}")
    shapes = read_file(path).shapes
    modules = dict(language.named_modules())
    parameters = {name: tuple(p.shape) for name, p in language.named_parameters()}
    strange, misshaped = [], []
    sides: dict[str, dict[str, names.Shape]] = {}
    for name, shape in shapes.items():
        inner = name.removeprefix(_LEVEL)
        match = _LORA.match(inner)
        if match is None:
            if parameters.get(_without_wrappers(inner)) != shape:
                strange.append(name)
        elif isinstance(_base(modules.get(match["module"])), nn.Linear | nn.Embedding):
            sides.setdefault(match["module"], {})[match["side"][-1]] = shape
        else:
            strange.append(name)
    for module, pair in sides.items():
        layer = _base(modules[module])
        if set(pair) != {"A", "B"}:
            strange.append(f"{module} (only one of lora_A and lora_B)")
        elif isinstance(layer, nn.Linear):
            # A [rank, in], B [out, rank]: the ranks must agree.
            ends = (pair["A"][1], pair["B"][0], pair["A"][0] - pair["B"][1])
            if ends != (layer.in_features, layer.out_features, 0):
                misshaped.append(
                    f"{module} (A {list(pair['A'])}, B {list(pair['B'])} for a layer of "
                    f"{layer.in_features} -> {layer.out_features})"
                )
    missing = _without_weights(config, modules, set(sides))
    complaints = [
        f"{what}: {listed(found)}"
        for what, found in (("missing", missing), ("unexpected", strange), ("of another shape", misshaped))
        if found
    ]
    if complaints or not sides:
        raise AdapterError(
            f"the adapter in {folder} does not fit this model. {'; '.join(complaints) or 'it has no LoRA weights'}. "
            f"It was trained on {config.get('base_model_name_or_path') or 'an unnamed model'}; load it onto that."
        )


def _read_config(folder: Path) -> dict[str, object]:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise AdapterError(f"{folder} has no {CONFIG_FILE}, so it is not an adapter; pass a folder that PEFT wrote")
    config = _read_object(path)
    if config.get("peft_type") != "LORA":
        raise AdapterError(f"{path} has peft_type {config.get('peft_type')!r}; only LORA is supported")
    return config


def _system_prompt(folder: Path) -> str | None:
    """The system prompt an adapter was trained with, from a config.json of ours beside it; None without one."""
    path = folder / "config.json"
    section = _read_object(path).get(SECTION) if path.is_file() else None
    prompt = section.get("system_prompt") if isinstance(section, dict) else None
    return prompt if isinstance(prompt, str) else None


def _read_object(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{path} is not JSON ({error}); train or download the adapter again") from error
    if not isinstance(found, dict):
        raise AdapterError(f"{path} holds a {type(found).__name__}, not an object; it is not an adapter's")
    return found


def _base(module: nn.Module | None) -> nn.Module | None:
    """The layer itself, without the wrapper of an adapter loaded before."""
    inner = getattr(module, "base_layer", module)
    return inner if isinstance(inner, nn.Module) else None


def _without_wrappers(name: str) -> str:
    return name.replace(".modules_to_save.", ".").replace(".base_layer.", ".")


def _without_weights(config: dict[str, object], modules: dict[str, nn.Module], touched: set[str]) -> set[str]:
    """Layers that the config lists as trained but that have no weights in the file."""
    targets = config.get("target_modules")
    if config.get("layers_to_transform") is not None or not isinstance(targets, list):
        return set()
    plain = {name for name in modules if ".lora_" not in name and not name.endswith(".base_layer")}
    return {name for name in plain for target in targets if name == target or name.endswith(f".{target}")} - touched
