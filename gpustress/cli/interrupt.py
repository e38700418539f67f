"""Ctrl-C on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class _Interrupt:
    """What Ctrl-C does: it is noted, for an import of a module in C may swallow a KeyboardInterrupt."""

    noted = leaving = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.noted = True
        if not self.leaving:
            raise KeyboardInterrupt


interrupt = _Interrupt()


def heed_interrupt() -> None:
    """Raise the KeyboardInterrupt that something has swallowed."""
    if interrupt.noted:
        raise KeyboardInterrupt
