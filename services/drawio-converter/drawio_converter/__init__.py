"""draw.io's diagrams to SVG and PNG."""
