"""The structures of the kernels' headers as NumPy dtypes, read from these: kernels take them by value.

What is compiled asserts the same sizes and offsets (`layout_checks`), so that a host and a device which see a structure
differently never meet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..kernel_source import listed, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What each source passes to its entries, and the headers that define it.
STRUCTURES: Final = {
    "cuda.cu": ("Program", "Job", "Trace"),
    "networks.cu": ("Network", "Clearing"),
    "contagion.cu": ("Exposures", "Contagion", "CellRoom"),
}
_HEADERS: Final = ("program.h", "network.h", "exposures.h")
# As kernels/compiler.h and program.h define them; `layout_checks` has the compiler compare.
_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "double": np.dtype(np.float64),
    "word": np.dtype(np.uint64),
    "integer": np.dtype(np.int64),
    "index32": np.dtype(np.int32),
    "short": np.dtype(np.int16),
    "code8": np.dtype(np.int8),
}
_POINTER: Final = np.dtype(np.uint64)
_COMMENT: Final = re.compile(r"//.*")
_LIST: Final = re.compile(r"#define X\((\w+), (\w+)\) (.*)\n\s*(\w+)\(X\)\n#undef X")
_DECLARATION: Final = re.compile(r"\s*(?:const )?(\w+)\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class Member:
    """A member of a structure.

    Attributes
    ----------
    name : str
    type : str
        As C has it; of a pointer, what it points to.
    pointer : bool
    """

    name: str
    type: str
    pointer: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the member itself."""
        return _POINTER if self.pointer else _TYPES[self.type]


@cache
def members(structure: str) -> tuple[Member, ...]:
    """The members of a structure of the headers, in order."""
    pattern = re.compile(rf"^struct {structure} {{\n(.*?)^}};", re.MULTILINE | re.DOTALL)
    definitions = {header: match for header in _HEADERS if (match := pattern.search(read(header)))}
    if not definitions:
        raise ImportError(f"none of {', '.join(_HEADERS)} has a structure {structure}")
    ((header, definition),) = definitions.items()

    def expanded(use: re.Match[str]) -> str:
        first, second, template, macro = use.groups()
        lines = []
        for pair in listed(header, macro):
            values = dict(zip((first, second), pair, strict=True))
            lines.append(re.sub(r"\w+", lambda word, values=values: values.get(word[0], word[0]), template))
        return "\n".join(lines)

    found = []
    for declaration in _LIST.sub(expanded, _COMMENT.sub("", definition[1])).split(";")[:-1]:
        parts = _DECLARATION.fullmatch(declaration)
        if parts is None:
            raise ImportError(f"{header}, {structure}: {declaration.strip()!r} is not understood")
        for declared in parts[2].split(","):
            name = declared.strip()
            found.append(Member(name.removeprefix("*").strip(), parts[1], name.startswith("*")))
    return tuple(found)


@cache
def dtype_of(structure: str) -> np.dtype[np.void]:
    """A structure laid out as a compiler does."""
    return np.dtype([(member.name, member.dtype) for member in members(structure)], align=True)


def pack(structure: str, values: Mapping[str, Any], addresses: Mapping[str, int]) -> NDArray[np.void]:
    """A structure as an array () that a kernel takes by value.

    Parameters
    ----------
    structure : str
    values : mapping of str to number, ndarray or None
        The value of each member; of a pointer, None or the array that it points to, of which only the type matters.
    addresses : mapping of str to int
        Of the arrays.

    Raises
    ------
    TypeError
        An array is of another type than its pointer.
    """
    packed = np.zeros((), dtype=dtype_of(structure))
    for member in members(structure):
        value = values[member.name]
        if not member.pointer:
            packed[member.name] = value
        elif value is not None:
            expected = _TYPES.get(member.type) or dtype_of(member.type)
            if value.dtype != expected:
                raise TypeError(f"{structure}.{member.name} points to {expected}, not {value.dtype}")
            packed[member.name] = addresses[member.name]
    return packed


def layout_checks(source: str) -> str:
    """C++ that does not compile where the compiler lays out a source's types or structures differently."""
    checks = []
    for name, dtype in _TYPES.items():
        signed = "<" if dtype.kind in "if" else ">"
        checks.append(f"sizeof({name}) == {dtype.itemsize} && ({name})-1 {signed} ({name})0")
    for structure in STRUCTURES[source]:
        layout = dtype_of(structure)
        checks.append(f"sizeof({structure}) == {layout.itemsize}")
        assert layout.fields is not None
        for name, (_, offset, *_) in layout.fields.items():
            checks.append(f"__builtin_offsetof({structure}, {name}) == {offset}")
    return "".join(f"static_assert({check});\n" for check in checks)
