"""Processors of image-text-to-text models, for pictures only, so that no torchvision is needed.

Many models' processors hold a part for video that exists only with torchvision. Frames reach a model as pictures, so
that part is left out; pictures are read through Pillow.
"""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any, Final

from cornerman_shared.errors import ConfigError

VIDEO: Final = "video_processor"
REMEDY: Final = "pip install 'cornerman[vlm]' (torchvision has to be the build that belongs to your torch)"
EXTRA: Final = ("torchvision", "num2words", "timm")
"""Modules that the packages of the extra `vlm` bring."""


def load_processor(path: str, config: Any, **pinned: Any) -> Any:
    """The processor of a model, without its part for video where torchvision is not installed.

    Args:
        path: folder or hub name.
        config: the model's.
        pinned: revision and permission, as for `from_pretrained`.

    Raises:
        ConfigError: it cannot do without a package that is not installed; names the package and the extra.
    """
    from transformers import AutoProcessor

    try:
        kind = None if importlib.util.find_spec("torchvision") else _processor_class(config)
        if kind is None or VIDEO not in kind.get_attributes():
            return AutoProcessor.from_pretrained(path, **pinned)
        return _without_video(kind).from_pretrained(path, **pinned)
    except (ImportError, ValueError) as error:
        missing = [name for name in EXTRA if name in str(error).lower() and importlib.util.find_spec(name) is None]
        if not missing:
            raise
        raise ConfigError(f"generator.model = {path!r} needs {missing[0]}, which is not installed: {REMEDY}") from error


def _processor_class(config: Any) -> Any:
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    name = PROCESSOR_MAPPING_NAMES.get(str(getattr(config, "model_type", "")))
    return getattr(transformers, name, None) if isinstance(name, str) else None


def set_tiles(processor: Any, tiles: int) -> dict[str, Any]:
    """Sets how many tiles a picture may be cut into, for processors that cut large pictures.

    Args:
        processor: changed in place.
        tiles: 1 = whole pictures. Frames are small, and 16 of them in 17 tiles each would fill any context.

    Returns:
        Arguments that the processor needs at each call, where a setting of it does not count.
    """
    images: Any = getattr(processor, "image_processor", None)
    if hasattr(images, "do_image_splitting"):
        images.do_image_splitting = tiles > 1
    if hasattr(images, "crop_to_patches"):
        return {"crop_to_patches": tiles > 1, "min_patches": 1, "max_patches": tiles}
    return {}


def _spelled(number: int) -> str:
    raise ValueError(f"{number} frames of a video: only pictures are read here; {REMEDY}")


def _without_video(kind: Any) -> Any:
    """A processor class that neither loads nor asks for a part for video."""

    module = sys.modules[kind.__module__]
    if getattr(module, "num2words", "") is None:
        vars(module)["num2words"] = _spelled  # SmolVLM asks for the package, and uses it for videos only

    class PictureProcessor(kind):  # type: ignore[misc]
        """Reads text and pictures."""

        # Processors read defaults of video from this part, also for chats without one.
        video_processor = SimpleNamespace(num_frames=None, fps=None)

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != VIDEO]

        @classmethod
        def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
            # The part for video comes after the parts for pictures and text, and may be a positional argument.
            return super().from_args_and_dict([*args, None], processor_dict, **kwargs)

    # transformers looks the class's own name up, and writes it into what it saves.
    PictureProcessor.__name__ = kind.__name__
    return PictureProcessor
