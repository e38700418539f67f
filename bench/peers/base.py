"""What a peer is: the reference job's loop written by hand in a package that people would write it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gpustress.backends.base import Outcome

    from .draws import Draws


class Peer(Protocol):
    """A loop made ready for one program.

    Attributes
    ----------
    name : str
    threads : int
        That it computes with.
    """

    name: str
    threads: int

    def run(self, paths: int, seed: int) -> Outcome:
        """Simulate so many paths on draws made in the peer's own best way; compiled and warm after the first call."""

    def replay(self, draws: Draws) -> Outcome:
        """Simulate the paths of the given draws."""
