"""The package's compiled library: where it is, and which of its builds this processor runs."""

import ctypes
from pathlib import Path

LIBRARY = Path(__file__).parent / "_core.so"
"""Where the package's installation puts it, for any processor."""
NEWER = ("_core_avx2.so", "_core_avx512.so")
"""The same beside it, for processors by what they can do."""


def open_library() -> ctypes.CDLL:
    """The library, with no types of functions set: what is set on one call is not seen by another.

    Raises:
        OSError: It was not built, or cannot be loaded.
    """
    library = ctypes.CDLL(str(LIBRARY))
    try:
        processor = library.chain_processor()
    except AttributeError as error:
        raise OSError(f"{LIBRARY} is older than the package; install it again to rebuild it") from error
    for name in reversed(NEWER[:processor]):
        if (newer := LIBRARY.with_name(name)).exists():
            return ctypes.CDLL(str(newer))
    return library
