"""Errors are plain values: they are handed on as they are."""

from __future__ import annotations

import copy
import pickle

import pytest

from gpustress.errors import InputError, Problem

PROBLEMS = (
    Problem("entities", 3, "cash", "-1.0", "is negative", "Write 0."),
    Problem("paths", None, None, "0", "is none", "Write 1."),
)


def test_what_an_error_prints_can_be_seen():
    problem = Problem("a\x1b[31m", 1, "b\n\u202e", "c", "is of `\ud800`", "Write \0.")
    assert (
        str(problem)
        == "`a\ufffd[31m`, row 2, column `b\ufffd\ufffd`: is of `\ufffd` (value c). Write \ufffd."
    )
    str(InputError([problem])).encode()


@pytest.mark.parametrize(
    "handed_on", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]
)
def test_an_error_says_the_same_in_another_process_and_as_a_copy(handed_on):
    error = InputError(PROBLEMS)
    error.add_note("while shard 7 ran")
    again = handed_on(error)
    assert type(again) is InputError
    assert (str(again), again.problems, again.__notes__) == (str(error), PROBLEMS, error.__notes__)
