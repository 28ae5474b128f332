"""The config survives a round trip and refuses sizes that do not fit together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mobile_videogpt.config import ClipVisionConfig, MobileVideoGPTConfig, StreamConfig, VideoMambaConfig


@pytest.mark.parametrize("preset", ["full_0_5b", "full_1_5b", "tiny"])
def test_config_survives_json(preset: str) -> None:
    config = replace(getattr(MobileVideoGPTConfig, preset)(), action_token_ids=(5, 6, 7), system_prompt="Look.")
    config = replace(config, stream=StreamConfig(4, 59, (0.0, 1.5, -0.5)))
    assert MobileVideoGPTConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_absent_names_take_defaults() -> None:
    config = MobileVideoGPTConfig.from_dict({"video": {"depth": 3}})
    assert config.video == VideoMambaConfig(depth=3)
    assert config.image == ClipVisionConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"video": {"dept": 3}}, r"unknown config names: video\.dept; known are .*video\.depth"),
        ({"eyes": 2}, "unknown config names: eyes"),
        ({"video": {"depth": "3"}}, r"config video\.depth has value '3'; expected int"),
        ({"video": 3}, "config video has value 3; expected VideoMambaConfig"),
        ({"video": {"image_size": 100}}, "image_size 100 is not a multiple of patch_size 16"),
        ({"image": {"select_layer": -14}}, "select_layer -14 does not exist"),
        ({"num_select_k": 2}, "num_select_k 2 is not a square number"),
        ({"clip_frames": 12}, "clip_frames 12"),
        ({"clip_frames": 24}, "make all equal"),
        ({"chunk_frames": 4, "clip_frames": 8}, "takes 8 frames, but a chunk has 4"),
        ({"action_token_ids": [1, 2]}, r"3 action tokens but ids \(1, 2\)"),
        ({"stream": {"frames": 9}}, r"stream\.frames 9 .*a chunk has 8 frames"),
        ({"stream": {"chunks": -1}}, r"stream\.chunks -1"),
        ({"stream": {"offsets": [0.0, 1.0]}}, r"stream\.offsets \(0\.0, 1\.0\) are not one for each"),
        ({"action_token_ids": [1, 2, 999_999]}, "outside a vocabulary of 151936"),
    ],
)
def test_invalid_config_names_the_value(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MobileVideoGPTConfig.from_dict(values)


@pytest.mark.parametrize(("layer", "used"), [(-1, 12), (-2, 11), (0, 0), (12, 12)])
def test_select_layer_counts_hidden_states(layer: int, used: int) -> None:
    assert ClipVisionConfig(select_layer=layer).used_depth == used
