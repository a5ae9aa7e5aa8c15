"""Sparse rows as the embedding layers take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array, csr_matrix

import unifw as uf
from unifw.errors import DataError, SpecError


@settings(max_examples=50, deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(-2, 2)
    ),
    st.integers(0, 3),
)
def test_every_number_is_found_again(dense: Any, more: int) -> None:
    width = max(int((dense != 0).sum(axis=1).max()), 1) + more
    for kind in (csr_matrix, csr_array):
        fields, values = uf.sparse.padded(kind(dense), width)
        assert fields.shape == values.shape == (len(dense), width)
        assert (fields.dtype, values.dtype) == (np.int64, np.float32)
        back = np.zeros((len(dense), dense.shape[1] + 1), np.float32)
        np.add.at(back, (np.arange(len(dense))[:, None], fields), values)
        assert np.array_equal(back[:, 1:], dense)
        assert not back[:, 0].any()
    assert uf.sparse.padded(csr_matrix(dense))[0].shape[1] == width - more


def test_what_does_not_fit_is_refused() -> None:
    long = csr_matrix([[0, 1.0, 2], [0, 0, 0]])
    with pytest.raises(DataError, match="row 0 holds 2 numbers, more than width=1"):
        uf.sparse.padded(long, 1)
    with pytest.raises(SpecError, match="width"):
        uf.sparse.padded(long, 0)
    for wrong in (np.eye(3), None, long.tocsc(), long.tocoo(), csr_matrix((0, 3))):
        with pytest.raises(DataError, match="CSR form is wanted"):
            uf.sparse.padded(wrong)
    with pytest.raises(DataError, match="NaN"):
        uf.sparse.padded(csr_matrix([[np.nan]]))
    broken = csr_matrix([[1.0, 2.0]])
    broken.indices[1] = 7
    with pytest.raises(DataError, match="columns must lie in 0 … 1"):
        uf.sparse.padded(broken)


def test_a_row_without_numbers_is_all_padding() -> None:
    fields, values = uf.sparse.padded(csr_matrix((2, 3)))
    assert fields.tolist() == [[0], [0]]
    assert values.tolist() == [[0], [0]]
