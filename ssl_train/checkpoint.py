"""Keep a run's state on disk, so that training goes on where it was killed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Anything that gives its state and takes it back."""

    def state_dict(self) -> Any:
        """Give the state."""
        ...

    def load_state_dict(self, state: Any) -> object:
        """Take the state back."""
        ...


class Checkpoint:
    """One file, written whole or not at all, that belongs to one recipe and data."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Take the file and a fingerprint of everything that the run depends on."""
        self.path = path
        self.fingerprint = fingerprint

    def save(self, parts: Mapping[str, Stateful], step: int) -> None:
        """Write the state of all parts after ``step`` steps.

        Raises:
            OSError: the disk is full or the folder cannot be written; the earlier checkpoint is then untouched.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        state = {name: part.state_dict() for name, part in parts.items()}
        try:
            torch.save({"fingerprint": self.fingerprint, "step": step, "state": state}, temporary)
            os.replace(temporary, self.path)
        except RuntimeError as error:
            # torch reports a failed write of its archive as a RuntimeError
            raise OSError(f"{self.path}: the checkpoint cannot be written: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self, parts: Mapping[str, Stateful]) -> int:
        """Give all parts their state back and return how many steps were done; 0 where no checkpoint fits."""
        if not self.path.is_file():
            return 0
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        if saved["fingerprint"] != self.fingerprint or set(saved["state"]) != set(parts):
            return 0
        for name, part in parts.items():
            part.load_state_dict(saved["state"][name])
        return int(saved["step"])
