"""The version of gpustress: pyproject.toml, results and `gpustress info` take it from here."""

from typing import Final

VERSION: Final = "0.1.0"
