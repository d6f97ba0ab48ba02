"""Weights files that carry a checksum of themselves."""

import numpy as np
import pytest
from safetensors.numpy import load, save

from sklearn_diffake.utils._checksums import verify_checksum, with_checksum

ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(3)}


@pytest.mark.parametrize("metadata", [{}, {"input_size": "128"}])
def test_content_with_checksum_passes_and_is_loaded(metadata):
    content = with_checksum(ARRAYS, metadata)
    verify_checksum(content)
    for name, array in load(content).items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_every_byte_that_changes_what_is_read_is_noticed():
    content = with_checksum(ARRAYS, {"input_size": "128"})
    for offset in range(len(content)):
        damaged = bytearray(content)
        damaged[offset] ^= 4
        try:
            verify_checksum(bytes(damaged))
            result = load(bytes(damaged))
        except Exception:  # refused, by us or by safetensors
            continue
        assert set(result) == set(ARRAYS)
        for name, array in result.items():
            np.testing.assert_array_equal(array, ARRAYS[name])
            assert array.dtype == ARRAYS[name].dtype


def test_files_of_other_programs_have_no_checksum():
    verify_checksum(save(ARRAYS))
    verify_checksum(save(ARRAYS, {"format": "pt"}))


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b"[]", b"3", b'{"__metadata__": []}', b'{"__metadata__": 1}', b"{"]
)
def test_headers_that_are_none_are_refused(header):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own, or ours
        verify_checksum(len(header).to_bytes(8, "little") + header)
