"""Auxiliary heads of the towers: pose, exercise, phase, mistake, end of a repetition. Used in training only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cornerman_training.gym.labels import ACTIVITIES, FAULTS
from cornerman_training.sampling import IGNORE

if TYPE_CHECKING:
    from cornerman_training.chunks import Batch
    from mobile_videogpt.config import MobileVideoGPTConfig


JOINTS = 18
_TOO_FAST = tuple(i + 1 for i, name in enumerate(FAULTS) if name.endswith("too_fast"))


@dataclass(frozen=True, slots=True)
class ChunkLabels:
    """The labels of a `chunks.Batch` as tensors; shapes and values as there."""

    joints: Tensor
    visible: Tensor
    activity: Tensor
    fault: Tensor
    phase: Tensor
    ended: Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> ChunkLabels:
        """The labels of a batch on a device."""
        return cls(
            torch.from_numpy(batch.joints).to(device),
            torch.from_numpy(batch.visible).to(device),
            torch.from_numpy(batch.activity).to(device),
            torch.from_numpy(batch.fault).to(device),
            torch.from_numpy(batch.phase).to(device),
            torch.from_numpy(batch.ended).to(device),
        )


class FrameHeads(nn.Module):
    """Predicts pose, exercise, mistake and phase from the mean of a frame's patches, and joints from each patch."""

    def __init__(self, width: int, hidden: int = 192) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(width, hidden), nn.GELU())
        self.pose = nn.Linear(hidden, JOINTS * 3)
        self.activity = nn.Linear(hidden, len(ACTIVITIES))
        self.fault = nn.Linear(hidden, 1 + len(FAULTS))
        self.phase = nn.Linear(hidden, 3)
        self.where = nn.Linear(width, JOINTS)

    def losses(self, patches: Tensor, labels: ChunkLabels, timed: bool) -> dict[str, Tensor]:
        """Losses by name; `patches` [B, K, P, W]; `timed` says whether this tower sees motion."""
        mean = patches.mean(2)  # [B, K, W]
        h = self.trunk(mean)
        seen = labels.visible.float()
        # Joints count only where a person is in the picture.
        weight = seen / seen.sum().clamp(min=1.0)
        pose = torch.unflatten(self.pose(h), -1, (JOINTS, 3))
        error = F.smooth_l1_loss(pose, labels.joints, reduction="none", beta=0.1).mean((-1, -2))
        fault = labels.fault
        # A still frame cannot show speed: `too_fast` is ignored for the image tower.
        if not timed:
            for index in _TOO_FAST:
                fault = torch.where(fault == index, IGNORE, fault)
        # Phase is periodic: it is predicted as sine and cosine, and whether the frame is in a repetition.
        angle = labels.phase * 2 * torch.pi
        inside = (labels.phase >= 0).float()
        cycle = torch.stack([angle.sin(), angle.cos()], -1)
        phase = self.phase(h)
        moving = F.binary_cross_entropy_with_logits(phase[..., 2], inside)
        cyclic = ((phase[..., :2] - cycle).pow(2).sum(-1) * inside).sum() / inside.sum().clamp(min=1.0)
        return {
            "pose": (error * weight).sum() * 4.0,
            "where": F.binary_cross_entropy_with_logits(
                self.where(patches), _joint_cells(labels.joints, patches.shape[2]) * seen[..., None, None]
            ) * 4.0,
            "activity": F.cross_entropy(self.activity(h).flatten(0, 1), labels.activity.flatten()),
            "fault": F.cross_entropy(
                self.fault(h).flatten(0, 1), fault.flatten(), weight=_FAULT_WEIGHT, ignore_index=IGNORE
            ),
            "phase": 0.3 * cyclic + 0.3 * moving,
        }  # fmt: skip

    @torch.no_grad()
    def scores(self, patches: Tensor, labels: ChunkLabels) -> dict[str, float]:
        """Accuracy of exercise and mistake (over faulty and over good frames), and the joints' error.

        The error is the mean distance in the picture, in halves of its side.
        """
        h = self.trunk(patches.mean(2))
        fault = self.fault(h).argmax(-1)
        pose = torch.unflatten(self.pose(h), -1, (JOINTS, 3))
        miss = (pose - labels.joints)[..., :2].norm(dim=-1)[labels.visible]
        return {
            "exercise": _share(self.activity(h).argmax(-1) == labels.activity),
            "mistake": _share((fault == labels.fault)[labels.fault > 0]),
            "good": _share((fault == 0)[(labels.fault == 0) & (labels.phase >= 0)]),
            "joint": float(miss.mean()) if len(miss) else float("nan"),
        }


# Good frames are far more frequent than any mistake.
_FAULT_WEIGHT = torch.tensor([0.35] + [1.0] * len(FAULTS))


def _joint_cells(joints: Tensor, cells: int) -> Tensor:
    """1 where a grid cell contains a joint, else 0: [B, K, cells, 18]."""
    side = round(cells**0.5)
    xy = ((joints[..., :2] + 1) / 2 * side).floor().long()
    inside = ((xy >= 0) & (xy < side)).all(-1)
    index = (xy[..., 1] * side + xy[..., 0]).clamp(0, cells - 1)
    cell: Tensor = F.one_hot(index, cells).float().transpose(-1, -2) * inside[..., None, :].float()
    return cell


class ChunkHeads(nn.Module):
    """Predicts `FrameHeads` for each frame, end and mistake of the whole chunk, and the image tower's tokens."""

    def __init__(self, config: MobileVideoGPTConfig) -> None:
        super().__init__()
        width = config.video.width
        self.frames = FrameHeads(width)
        self.mimic = nn.Linear(width, config.image.width)
        self.ended = nn.Sequential(nn.Linear(width * 3, 128), nn.GELU(), nn.Linear(128, 1))
        self.fault = nn.Sequential(nn.Linear(width * 3, 128), nn.GELU(), nn.Linear(128, 1 + len(FAULTS)))

    def losses(self, video: Tensor, image: Tensor, labels: ChunkLabels) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            video: [B, 1 + 8 P, Wv], CLS first.
            image: [B, 8, P, Wc], tokens of the trained image tower for the same frames, without gradients.
            labels: of all 8 frames.
        """
        patches = torch.unflatten(video[:, 1:], 1, (labels.phase.shape[1], -1))
        # [B, 8, P, Wv]; the CLS is left out
        out = self.frames.losses(patches, labels, timed=True)
        # Only towers with equal grids can be compared patch by patch.
        if patches.shape[2] == image.shape[2]:
            out["mimic"] = 4.0 * F.smooth_l1_loss(self.mimic(patches), F.layer_norm(image, image.shape[-1:]))
        summary = self._summary(video, patches)
        out["ended"] = F.binary_cross_entropy_with_logits(self.ended(summary)[:, 0], labels.ended)
        out["chunk_fault"] = F.cross_entropy(
            self.fault(summary), shown_in(labels), weight=_FAULT_WEIGHT, ignore_index=IGNORE
        )
        return out

    @torch.no_grad()
    def scores(self, video: Tensor, labels: ChunkLabels) -> dict[str, float]:
        """`FrameHeads.scores`, and recall of the chunk's mistake and of the end of a repetition."""
        patches = torch.unflatten(video[:, 1:], 1, (labels.phase.shape[1], -1))
        out = self.frames.scores(patches, labels)
        summary = self._summary(video, patches)
        shown = shown_in(labels)
        judged = shown > 0
        out["chunk_mistake"] = _share((self.fault(summary).argmax(-1) == shown)[judged])
        out["end_found"] = _share((self.ended(summary)[:, 0] > 0)[labels.ended > 0])
        return out

    def _summary(self, video: Tensor, patches: Tensor) -> Tensor:
        means = patches.mean(2)
        return torch.cat([video[:, 0], means[:, :4].mean(1), means[:, 4:].mean(1)], -1)


def shown_in(labels: ChunkLabels) -> Tensor:
    """[B], the mistake that shows anywhere in the chunk, as the temporal head reads it."""
    return labels.fault.amax(1)


def _share(right: Tensor) -> float:
    return float(right.float().mean()) if len(right) else float("nan")
