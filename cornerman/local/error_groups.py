"""Which of several errors at once a person should see."""

from __future__ import annotations

from cornerman_shared.errors import CornermanError


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to show: one of ours before any other, in the order they came."""
    leaves = [first_of(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CornermanError)), leaves[0])
