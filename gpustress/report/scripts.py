"""Scripts as a page can hold them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

# What would end the element or hide its end, and the control characters that HTML forbids or that a page is rid of.
_UNSAFE: Final = re.compile(r"<(?=/script|script|!--)|[\x00-\x09\x0b-\x1f\x7f-\x9f]", re.IGNORECASE)


def embeddable(script: str) -> str:
    """A script that stands in an HTML page as it is and does the same.

    Parameters
    ----------
    script : str
        JavaScript in which characters unsafe in HTML stand in literals alone (strings, templates, patterns).

    Returns
    -------
    str
        They are written as escapes.
    """
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", script)


def content_hash(script: str) -> str:
    """The script's hash as a Content-Security-Policy has it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
