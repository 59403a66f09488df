"""Export: policies as single files that run without this package.

Importing this room does not import torch; `ampc.export.onnx`, which writes the files, does.
"""
