"""Export: policies as single files that run without torch, and the runtime that loads them."""
