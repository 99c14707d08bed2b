"""Executes Jupyter notebooks and converts them to HTML, a script or a notebook."""
