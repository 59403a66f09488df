"""Files that cells leave for each other."""

POLICY_FILE = "policy.onnx"
"""The exported policy in the folder of the cell that taught it."""
