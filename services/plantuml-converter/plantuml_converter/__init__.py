"""PlantUML's text to SVG and PNG."""
