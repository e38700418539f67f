"""The CUDA entry, run on the host as a GPU would run it, gives the bits of the native backend, and nothing races."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import build
import strategies
from build import Tables, examples
from cuda_cases import differing, everything, on_points, slow_ring, tilted
from cuda_entry import CudaEntry, Shape
from cuda_standin import ORDERS
from gpustress.backends.base import Block
from gpustress.backends.native import NativeBackend
from gpustress.compilation import compile_program

Drawn = tuple[dict[str, Any], Tables]

# Full warps and parts of one, one team a block and several, grids larger and smaller than the work.
SHAPES = (
    Shape(team=1, teams=1, blocks=1, shared=True),
    Shape(team=1, teams=5, blocks=3, shared=False),
    Shape(team=8, teams=4, blocks=2, shared=True),
    Shape(team=8, teams=3, blocks=5, shared=False),
    Shape(team=32, teams=1, blocks=1, shared=False),
    Shape(team=32, teams=3, blocks=2, shared=True),
)


@examples(40)
@given(
    system=strategies.systems(),
    seed=st.integers(0, 2**64 - 1),
    shape=st.sampled_from(SHAPES),
    order=st.sampled_from(ORDERS),
    data=st.data(),
)
def test_the_cuda_entry_gives_natives_bits(
    native: NativeBackend, system: Drawn, seed: int, shape: Shape, order: str, data: st.DataObject
) -> None:
    made, paths = build.system(*system), 4
    program = compile_program(made, made.scenarios, strategies.EFFECTS)
    own = data.draw(strategies.factor_tables(*system, paths=paths))
    factor_paths = {
        made.factor_names.index(name): np.array([own[path][name] for path in range(paths)]) for name in own[0]
    }
    case = program, Block(seed, 11, paths, factor_paths)
    assert differing(case, CudaEntry(shape, order, seed), native) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_and_order_gives_natives_bits(native: NativeBackend, shape: Shape, order: str) -> None:
    entry = CudaEntry(shape, order, seed=1)
    for case in (everything(3), on_points(everything(3)), tilted(everything(3))):
        assert differing(case, entry, native) == []
    program, block = slow_ring()
    assert entry.simulate(program, block).exact_finishes.tolist() == [0, 0, block.paths]
    assert differing((program, block), entry, native) == []
