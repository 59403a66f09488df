"""The package's compiled library: where it is, and which of its builds this processor runs."""

import ctypes
from pathlib import Path

LIBRARY = Path(__file__).parent / "_core.so"
"""Where the package's installation puts it; beside it, ``_core_avx2.so`` is the same for newer processors."""


def open_library() -> ctypes.CDLL:
    """The library, with no types of functions set: what is set on one call is not seen by another.

    Raises:
        OSError: It was not built, or cannot be loaded.
    """
    library = ctypes.CDLL(str(LIBRARY))
    fast = LIBRARY.with_name("_core_avx2.so")
    if library.chain_has_avx2() and fast.exists():
        library = ctypes.CDLL(str(fast))
    return library
