"""Export: policies as single files, and the runtime that loads them with NumPy and ONNX Runtime alone.

Importing this room does not import torch; `ampc.export.onnx`, which writes the files, does.
"""

from ampc.export.runtime import OnnxPolicy

__all__ = ["OnnxPolicy"]
