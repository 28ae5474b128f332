"""What the towers are taught besides words: pose, exercise, phase, mistake, end of a repetition. Thrown away after."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobile_videogpt.config import MobileVideoGPTConfig
from training.chunks import IGNORE, TOO_FAST
from training.gym.session import ACTIVITIES, FAULTS

JOINTS = 18


@dataclass(frozen=True, slots=True)
class Truth:
    """`chunks.Batch` as tensors, without the pictures."""

    joints: Tensor
    visible: Tensor
    activity: Tensor
    fault: Tensor
    phase: Tensor
    ended: Tensor

    def flat(self) -> Truth:
        """Every frame as a chunk of one; what is true of whole chunks is left as it is."""
        return Truth(
            self.joints.flatten(0, 1)[:, None],
            self.visible.flatten()[:, None],
            self.activity.flatten()[:, None],
            self.fault.flatten()[:, None],
            self.phase.flatten()[:, None],
            self.ended,
        )

    def joined(self, other: Truth) -> Truth:
        """Both, one after the other; of chunks of equal length."""
        return Truth(
            torch.cat([self.joints, other.joints]),
            torch.cat([self.visible, other.visible]),
            torch.cat([self.activity, other.activity]),
            torch.cat([self.fault, other.fault]),
            torch.cat([self.phase, other.phase]),
            torch.cat([self.ended, other.ended]),
        )

    def at(self, frames: Tensor) -> Truth:
        """Only some frames of each chunk; `frames` [B, K] are their numbers."""
        rows = torch.arange(len(frames))[:, None]
        return Truth(
            self.joints[rows, frames],
            self.visible[rows, frames],
            self.activity[rows, frames],
            self.fault[rows, frames],
            self.phase[rows, frames],
            self.ended,
        )


class FrameHeads(nn.Module):
    """Reads the mean of a frame's patches: pose, exercise, mistake, phase; and each patch: which joints it holds."""

    def __init__(self, width: int, hidden: int = 192) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(width, hidden), nn.GELU())
        self.pose = nn.Linear(hidden, JOINTS * 3)
        self.activity = nn.Linear(hidden, len(ACTIVITIES))
        self.fault = nn.Linear(hidden, 1 + len(FAULTS))
        self.phase = nn.Linear(hidden, 3)
        self.where = nn.Linear(width, JOINTS)

    def losses(self, patches: Tensor, truth: Truth, timed: bool) -> dict[str, Tensor]:
        """Losses by name; `patches` [B, K, P, W]; `timed` says whether this tower can know speed."""
        mean = patches.mean(2)
        h = self.trunk(mean)
        seen = truth.visible.float()
        weight = seen / seen.sum().clamp(min=1.0)
        pose = torch.unflatten(self.pose(h), -1, (JOINTS, 3))
        error = F.smooth_l1_loss(pose, truth.joints, reduction="none", beta=0.1).mean((-1, -2))
        fault = truth.fault
        if not timed:
            for index in TOO_FAST:
                fault = torch.where(fault == index, IGNORE, fault)
        angle = truth.phase * 2 * torch.pi
        inside = (truth.phase >= 0).float()
        cycle = torch.stack([angle.sin(), angle.cos()], -1)
        phase = self.phase(h)
        moving = F.binary_cross_entropy_with_logits(phase[..., 2], inside)
        cyclic = ((phase[..., :2] - cycle).pow(2).sum(-1) * inside).sum() / inside.sum().clamp(min=1.0)
        return {
            "pose": (error * weight).sum() * 4.0,
            "where": F.binary_cross_entropy_with_logits(
                self.where(patches), _joint_cells(truth.joints, patches.shape[2]) * seen[..., None, None]
            ) * 4.0,
            "activity": F.cross_entropy(self.activity(h).flatten(0, 1), truth.activity.flatten()),
            "fault": F.cross_entropy(
                self.fault(h).flatten(0, 1), fault.flatten(), weight=_FAULT_WEIGHT, ignore_index=IGNORE
            ),
            "phase": 0.3 * cyclic + 0.3 * moving,
        }  # fmt: skip


_FAULT_WEIGHT = torch.tensor([0.35] + [1.0] * len(FAULTS))


def _joint_cells(joints: Tensor, cells: int) -> Tensor:
    """Which grid cell holds which joint: [B, K, cells, 18] of 0 and 1."""
    side = round(cells**0.5)
    xy = ((joints[..., :2] + 1) / 2 * side).floor().long()
    inside = ((xy >= 0) & (xy < side)).all(-1)
    index = (xy[..., 1] * side + xy[..., 0]).clamp(0, cells - 1)
    cell: Tensor = F.one_hot(index, cells).float().transpose(-1, -2) * inside[..., None, :].float()
    return cell


class Auxiliary(nn.Module):
    """All heads of stage 1."""

    def __init__(self, config: MobileVideoGPTConfig) -> None:
        super().__init__()
        self.video = FrameHeads(config.video.width)
        self.image = FrameHeads(config.image.width)
        self.mimic = nn.Linear(config.video.width, config.image.width)
        self.ended = nn.Sequential(nn.Linear(config.video.width * 3, 128), nn.GELU(), nn.Linear(128, 1))
        self.chunk_fault = nn.Sequential(
            nn.Linear(config.video.width * 3, 128), nn.GELU(), nn.Linear(128, 1 + len(FAULTS))
        )

    def forward(
        self,
        video: Tensor,
        image: Tensor,
        truth: Truth,
        image_frames: Tensor,
        still: Tensor,
        still_truth: Truth,
        mimic: float,
    ) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            video: [B, 1 + 8 P, Wv], CLS first.
            image: [B, K, P, Wc].
            truth: of all 8 frames.
            image_frames: [B, K], which frames `image` shows.
            still: [M, 1, P, Wc], single frames.
            still_truth: of them.
            mimic: weight of the loss by which the video tower follows the image tower, patch by patch.
        """
        patches = torch.unflatten(video[:, 1:], 1, (truth.phase.shape[1], -1))
        out = {"video_" + k: v for k, v in self.video.losses(patches, truth, timed=True).items()}
        seen = truth.at(image_frames).flat().joined(still_truth)
        part = self.image.losses(torch.cat([image.flatten(0, 1)[:, None], still]), seen, timed=False)
        out |= {"image_" + k: v for k, v in part.items()}
        if mimic > 0 and patches.shape[2] == image.shape[2]:
            rows = torch.arange(len(patches), device=patches.device)[:, None]
            goal = F.layer_norm(image.detach(), image.shape[-1:])
            out["mimic"] = mimic * F.smooth_l1_loss(self.mimic(patches[rows, image_frames]), goal)
        means = patches.mean(2)
        summary = torch.cat([video[:, 0], means[:, :4].mean(1), means[:, 4:].mean(1)], -1)
        out["ended"] = F.binary_cross_entropy_with_logits(self.ended(summary)[:, 0], truth.ended)
        # The mistake that shows anywhere in the chunk: what the decider's head will look for.
        shown = truth.fault.amax(1)
        out["chunk_fault"] = F.cross_entropy(
            self.chunk_fault(summary), shown, weight=_FAULT_WEIGHT, ignore_index=IGNORE
        )
        return out

    @torch.no_grad()
    def scores(self, video: Tensor, image: Tensor, truth: Truth, image_frames: Tensor) -> dict[str, float]:
        """Accuracies on a batch: exercise and mistake per frame, mean joint error in picture halves."""
        patches = torch.unflatten(video[:, 1:], 1, (truth.phase.shape[1], -1))
        out: dict[str, float] = {}
        for name, heads, tokens, t in (
            ("video", self.video, patches, truth),
            ("image", self.image, image, truth.at(image_frames)),
        ):
            h = heads.trunk(tokens.mean(2))
            out[name + "_exercise"] = float((heads.activity(h).argmax(-1) == t.activity).float().mean())
            judged = t.fault > 0
            good = (heads.fault(h).argmax(-1) == t.fault)[judged].float()
            out[name + "_mistake"] = float(good.mean()) if len(good) else float("nan")
            pose = torch.unflatten(heads.pose(h), -1, (JOINTS, 3))
            miss = (pose - t.joints)[..., :2].norm(dim=-1)[t.visible]
            out[name + "_joint"] = float(miss.mean()) if len(miss) else float("nan")
        return out
