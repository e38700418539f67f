"""One self-contained HTML page that tells what a run found: no network, works as a mail attachment.

It needs matplotlib and Jinja: ``pip install 'gpustress[pictures]'``.
"""

try:
    import jinja2 as _jinja2  # noqa: F401
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as _missing:
    raise ImportError(
        f"gpustress.report needs {_missing.name}, which is not installed: pip install 'gpustress[pictures]'"
    ) from _missing

from .answer import Answer, answer_of_reverse
from .findings import Findings, find
from .page import report_html, write_report

__all__ = ["Answer", "Findings", "answer_of_reverse", "find", "report_html", "write_report"]
