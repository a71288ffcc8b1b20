"""The two tasks and the two labels, in the words every file and folder of RailMatch uses."""

from typing import Literal

Task = Literal["prompt", "response"]

LABELS = ("unharmful", "harmful")
"""Label names by class index: index 1 is the harmful class everywhere."""
