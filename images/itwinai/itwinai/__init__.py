"""Pipelines of digital twins, the same on PyTorch and TensorFlow."""

import os

__version__ = os.environ.get("ITWINAI_VERSION", "unknown")
