"""Picks one error of a group for a one-sentence message."""

from __future__ import annotations

from cornerman_shared.errors import CornermanError


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first `CornermanError` of a group, nested groups included; else the first error."""
    leaves = [first_error(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CornermanError)), leaves[0])
