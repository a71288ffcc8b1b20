"""Choose the device that judges."""

from typing import Literal

import torch

from .errors import ModelError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device) -> torch.device:
    """Resolve ``auto`` to the GPU when there is one.

    Raises:
        ModelError: ``cuda`` was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device is 'cuda', but no CUDA device is available; set device to 'auto' or 'cpu'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
