"""The versions that a training ran with, for whoever wants to repeat it."""

import platform
from importlib.metadata import version

from ... import __version__

PACKAGES = ("torch", "transformers", "accelerate", "scikit-learn", "numpy")
"""The libraries that a model's weights depend on."""


def versions() -> dict[str, str]:
    """Give the versions of RailMatch, Python and the libraries that the weights depend on, by name."""
    return {
        "railmatch": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
