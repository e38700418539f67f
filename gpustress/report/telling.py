"""Single paths as the page tells them: a picture, and sentences by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import pictures
from .drawings import draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..answers.storytelling import Story
    from ..settings import Settings
    from .drawings import Drawing


@dataclass(frozen=True)
class Told:
    """One path on the page.

    Attributes
    ----------
    title : str
    drawing : Drawing
    periods : tuple of (str, str)
        Label of a period, and what happens in it.
    """

    title: str
    drawing: Drawing
    periods: tuple[tuple[str, str], ...]


def tell_stories(stories: Mapping[str, Story], settings: Settings) -> list[Told]:
    """Each story with its picture.

    Parameters
    ----------
    stories : mapping of str to Story
        By what they are called.
    settings : Settings
        Of the system.
    """
    told = []
    for number, (name, story) in enumerate(stories.items()):
        happened = [f"{event['entity']} ({event['cause']})" for event in story.replay.events.to_pylist()]
        drawing = draw(
            f"story{number}",
            lambda ax, story=story: pictures.one_path(story.replay, ax, settings=settings),  # type: ignore[misc]
            "",
            f"Cash over time on path {story.path}. In order of failure: {', '.join(happened) or 'nobody'}.",
            height=3.2,
        )
        periods: dict[str, list[str]] = {}
        for row in story.table.to_pylist():
            periods.setdefault(row["label"], []).append(row["text"])
        lines = tuple((label, " ".join(texts)) for label, texts in periods.items())
        told.append(Told(f"{name}: {story.judged_by} (path {story.path})", drawing, lines))
    return told
