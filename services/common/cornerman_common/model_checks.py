"""Refuses settings of models that do not go together, before any process starts. Reads small JSON files only."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cornerman_common.bundle import check_exists
from cornerman_common.head_files import HEAD_FILE, features_made, features_read
from cornerman_common.look_checks import check_look
from cornerman_common.pose_choice import FOLDER, estimator_missing
from cornerman_shared.errors import ConfigError
from cornerman_shared.redact import redact_url
from cornerman_shared.settings.source import SourceSpec

if TYPE_CHECKING:
    from cornerman_shared.settings.source import SaySettings, SpeakSettings
    from cornerman_shared.settings.tree import Settings

PROJECTOR: Final = "projector.safetensors"
"""File of a model whose words are about skeletons."""

ADAPTER_FILE: Final = "adapter_config.json"
SECTIONS: Final = ("watch", "speak", "say")
NEEDS_TORCH: Final = ("mobile_videogpt", "vlm", "vllm")


def refuse_wrong_combinations(settings: Settings, assets: Path, *, torch: bool, loads: Collection[str]) -> None:
    """Checks the models, and each source of the settings.

    Args:
        settings: with every choice in place.
        assets: folder of the bundled files.
        torch: whether torch is installed.
        loads: roles that are started here; of the others, neither torch nor the address of a server is asked for.

    Raises:
        ConfigError: names the settings that do not go together, and the remedy.
    """
    _check_installed(settings, torch, loads)
    if "encoder" in loads:
        _check_estimator(settings)
    if "generator" in loads:
        _check_server(settings)
    _check_halves(settings)
    _check_checkpoint("encoder.model", settings.encoder.model)
    _check_checkpoint("generator.model", settings.generator.model)
    own = [(settings.speak, settings.say), *((spec.speak, spec.say) for spec in settings.sources)]
    for speak, say in own:
        check_source_models(speak, say, settings, assets)
        if speak.strategy == "head" and "decider" in loads:
            _check_head_file(speak.head)
    check_look(SourceSpec(source_id="any", url="any", **{n: getattr(settings, n) for n in SECTIONS}), settings)
    for spec in settings.sources:
        check_look(spec, settings)
    _check_places(settings, loads)
    if "encoder" in loads and settings.encoder.model != str(assets / FOLDER):
        _check_projector(settings)


def check_source_models(speak: SpeakSettings, say: SaySettings, settings: Settings, assets: Path) -> None:
    """Checks the strategy and the adapter of one source against the models of the settings.

    Raises:
        ConfigError: names the settings that do not go together, and the remedy.
    """
    if speak.strategy == "head":
        _check_head(speak.head, settings, assets)
    if speak.strategy == "llm" and settings.generator.backend != "mobile_videogpt":
        raise ConfigError(
            f"speak.strategy = 'llm' lets generator.model decide by its action tokens, but generator.backend is "
            f"{settings.generator.backend!r}; give speak.strategy=head, or generator.backend=mobile_videogpt"
        )
    if speak.strategy == "skeleton" and settings.encoder.backend != "pose":
        raise ConfigError(
            f"speak.strategy = 'skeleton' reads landmarks of people, but encoder.backend is "
            f"{settings.encoder.backend!r}; give encoder.backend=pose, or another strategy"
        )
    if say.adapter:
        _check_adapter(say.adapter, settings)


def _check_installed(settings: Settings, torch: bool, loads: Collection[str]) -> None:
    if torch:
        return
    for name, backend in (("encoder", settings.encoder.backend), ("generator", settings.generator.backend)):
        if backend in NEEDS_TORCH and name in loads:
            raise ConfigError(
                f"{name}.backend = {backend!r} needs torch, which is not installed: pip install 'cornerman[model]'"
            )


def _check_estimator(settings: Settings) -> None:
    if settings.encoder.backend == "pose" and (why := estimator_missing()):
        raise ConfigError(f"encoder.backend = pose: {why}")


def _check_server(settings: Settings) -> None:
    generator = settings.generator
    if generator.backend in ("openai", "vllm") and not generator.base_url:
        raise ConfigError(
            f"generator.backend = {generator.backend!r} needs the address of its server: give generator.base_url, "
            "for example http://127.0.0.1:11434/v1"
        )
    if generator.backend in ("openai", "vllm"):
        check_base_url(generator.base_url)
    if generator.backend in ("openai", "vlm") and not generator.model:
        where = "at the server" if generator.backend == "openai" else "(path or hub name)"
        raise ConfigError(f"generator.backend = {generator.backend!r} needs generator.model, the model's name {where}")


def check_base_url(base_url: str) -> None:
    """Checks the address of a server.

    Raises:
        ConfigError: it is not an http or https URL with a host.
    """
    try:
        parts = urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        valid = False
    if not valid:
        raise ConfigError(
            f"generator.base_url = {redact_url(base_url)!r} is not an http(s) URL; "
            "give the server's address up to /v1, for example http://127.0.0.1:8001/v1"
        )


def _check_places(settings: Settings, loads: Collection[str]) -> None:
    """Models that lie on this machine must be there."""
    for name, section in (("encoder", settings.encoder), ("generator", settings.generator)):
        if name in loads and section.backend in NEEDS_TORCH and section.model:
            check_exists(f"{name}.model", section.model)


def _check_projector(settings: Settings) -> None:
    model = settings.encoder.model
    if settings.encoder.backend == "pose" and model and not (Path(model).expanduser() / PROJECTOR).is_file():
        raise ConfigError(
            f"encoder.model = {model!r}: back end pose wants a folder with {PROJECTOR}; leave it empty for the bundled "
            "one, or give another encoder.backend"
        )


def _check_head_file(head: str) -> None:
    folder = Path(head).expanduser()
    if head and not (folder / HEAD_FILE).is_file():
        raise ConfigError(
            f"speak.head = {head!r}: there is no {HEAD_FILE} in this folder; give the folder of a trained head, "
            "or leave speak.head out"
        )


def _check_halves(settings: Settings) -> None:
    """A generator that reads tokens needs those of its own model's vision half."""
    encoder, generator = settings.encoder, settings.generator
    if generator.backend not in ("mobile_videogpt", "vllm"):
        return
    if encoder.backend == "pose":
        if not (Path(generator.model).expanduser() / PROJECTOR).is_file():
            raise ConfigError(
                f"generator.model = {generator.model!r} reads no skeletons ({PROJECTOR} is missing in its folder), "
                "but encoder.backend is 'pose'; leave generator.model out, or give a generator that looks at frames"
            )
        return
    if encoder.backend != "mobile_videogpt":
        raise ConfigError(
            f"generator.backend = {generator.backend!r} reads the tokens of mobile_videogpt, but encoder.backend is "
            f"{encoder.backend!r}; leave encoder.backend out, or give a generator that looks at frames (openai, vlm)"
        )
    if encoder.model != generator.model:
        raise ConfigError(
            f"encoder.model = {encoder.model!r} and generator.model = {generator.model!r} are halves of different "
            "models; give both the same, or leave one out"
        )


def _check_checkpoint(setting: str, model: str) -> None:
    folder = Path(model).expanduser() if model else None
    if folder is None or not folder.is_dir():
        return
    if (folder / ADAPTER_FILE).is_file() and not (folder / "config.json").is_file():
        base = _base_of(folder) or "its base model"
        raise ConfigError(
            f"{setting} = {model!r} is an adapter, without its base; give {setting}={base} and say.adapter={model}"
        )


def _check_head(head: str, settings: Settings, assets: Path) -> None:
    encoder = settings.encoder
    folder = Path(head).expanduser() if head else assets / "coach" / "head"
    shown = f"speak.head = {head!r}" if head else "the bundled head (speak.head is empty)"
    if encoder.backend != "mobile_videogpt":
        raise ConfigError(
            f"{shown} cannot read the features of encoder.backend = {encoder.backend!r}; leave encoder.backend out, "
            f"or give speak.strategy={'skeleton' if encoder.backend == 'pose' else 'rules'}"
        )
    model = Path(encoder.model).expanduser() if encoder.model else assets / "coach"
    reads, makes = features_read(folder), features_made(model)
    remedy = "give speak.head the head trained with this encoder, or speak.strategy=rules"
    if reads and makes and reads != makes:
        raise ConfigError(
            f"{shown} reads features of widths {reads[0]} and {reads[1]}, but encoder.model = {encoder.model!r} makes "
            f"{makes[0]} and {makes[1]}; {remedy}"
        )
    if not head and encoder.model and model.absolute() != (assets / "coach").absolute() and not makes:
        raise ConfigError(f"{shown} was trained with the bundled encoder, not {encoder.model!r}; {remedy}")


def _check_adapter(adapter: str, settings: Settings) -> None:
    generator = settings.generator
    if generator.backend == "vlm":
        raise ConfigError(f"say.adapter = {adapter!r}: generator.backend vlm takes none; merge it into the model first")
    if generator.backend != "mobile_videogpt":
        return
    folder = Path(generator.adapters.get(adapter, adapter)).expanduser()
    framing = _framing_of(folder)
    if framing and framing != settings.encoder.framing:
        raise ConfigError(
            f"say.adapter = {adapter!r} was trained on frames with encoder.framing={framing}, and it is "
            f"{settings.encoder.framing}; give encoder.framing={framing}"
        )
    if generator.model:
        return
    base = _base_of(folder)
    # An adapter of the bundled coach itself names the coach's folder.
    if folder.is_dir() and (not base or Path(base).name == "coach"):
        return
    raise ConfigError(
        f"say.adapter = {adapter!r} is an adapter without its base: generator.model is empty, which is the bundled "
        f"coach; give generator.model={base or 'the model that it was trained on'}"
    )


def _base_of(folder: Path) -> str:
    """The base model that an adapter's folder names; empty if it names none."""
    return _stored(folder / ADAPTER_FILE, "base_model_name_or_path")


def _framing_of(folder: Path) -> str:
    """The framing that an adapter was trained with; empty if its folder does not say."""
    # Imported here: few settings name an adapter.
    from cornerman_pose.framing import FRAMING_FILE

    return _stored(folder / FRAMING_FILE, "framing")


def _stored(file: Path, name: str) -> str:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(stored.get(name) or "") if isinstance(stored, dict) else ""
