"""Pictures as inline SVG with a text for those who do not see them."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "http://www.w3.org/1999/xlink"
FONTS: Final = "'DejaVu Sans', Verdana, Arial, sans-serif"
_SETTINGS: Final[Any] = {
    "svg.fonttype": "none",  # letters stay text: small, and found by a search
    "svg.hashsalt": "gpustress",  # the same page every time
    "font.size": 9,
    "axes.titlesize": 10.5,
}

_KEPT: Final = "\n\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


@dataclass(frozen=True)
class Drawing:
    """A picture on the page.

    Attributes
    ----------
    key : str
        Its place among others; ids inside the SVG begin with it.
    svg : Markup
    caption : str
        What to see in it.
    """

    key: str
    svg: Markup
    caption: str


def legible(text: str) -> str:
    """Text without control characters and what turns the direction of others; what joins letters stays."""
    return "".join(c if c.isprintable() or c in _KEPT else " " for c in text)


def draw(key: str, picture: Callable[[Axes], object], caption: str, alt: str, height: float = 3.5) -> Drawing:
    """Draw a picture.

    Parameters
    ----------
    key : str
    picture : function of an Axes
    caption : str
        Below the picture.
    alt : str
        In its stead.
    height : float
        Inches; the width is the page's.
    """
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        # The browser has letters that matplotlib's font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=(5.6, height), layout="constrained")
        picture(figure.add_subplot())
        stream = io.StringIO()
        FigureCanvasSVG(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return Drawing(key, Markup(_inline(stream.getvalue(), key, alt)), caption)


def _inline(text: str, key: str, alt: str) -> str:
    """The SVG as an element of a page: its own ids, no metadata, a title, a size that follows the page's."""
    root = ElementTree.fromstring(text.encode())
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    for element in root.iter():
        for name, value in element.attrib.items():
            if name != "id":
                element.set(name, re.sub(r"^#|(?<=url\()#", f"#{key}-", value) if "#" in value and (
                    name.endswith("href") or "url(#" in value) else value)  # fmt: skip
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{key}-{identity}")
        if element.tag == f"{{{SVG}}}text":
            element.set("style", re.sub(r"'DejaVu Sans'(?:, [^;]*)?", FONTS, element.get("style", "")))
    title = ElementTree.Element(f"{{{SVG}}}title", {"id": f"{key}-title"})
    title.text = legible(alt)
    root.insert(0, title)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title")
    return ElementTree.tostring(root, encoding="unicode")
