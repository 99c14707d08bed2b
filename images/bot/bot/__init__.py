"""A bot that answers the questions of a course."""

__version__ = "0.4.0"
