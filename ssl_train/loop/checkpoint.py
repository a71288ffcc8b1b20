"""Keep a run's state and its finished folds on disk, so that training goes on where it was killed."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ...classifier.storage import write_text_atomically

_log = logging.getLogger(__name__)


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
        """Give all parts their state back and return how many steps were done; 0 where no checkpoint fits.

        A file that is damaged is left out with a warning.
        """
        if not self.path.is_file():
            return 0
        saved = self._read()
        if saved is None or saved["fingerprint"] != self.fingerprint or set(saved["state"]) != set(parts):
            return 0
        for name, part in parts.items():
            part.load_state_dict(saved["state"][name])
        return int(saved["step"])

    def remove(self) -> None:
        """Delete the file, if there is one: what it was for is finished."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            if not isinstance(saved, dict) or not {"fingerprint", "step", "state"} <= saved.keys():
                raise ValueError("it does not hold a run")
        except Exception as error:  # damaged files raise anything: of zip, of pickle, of torch
            _log.warning("%s is left out, since it cannot be read (%s); training starts anew", self.path, error)
            return None
        return saved


class FoldScores:
    """The scores that one finished training gave, of a fold or of the texts to choose from, for one recipe and data."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Take the file and a fingerprint of everything that the run depends on."""
        self.path = path
        self.fingerprint = fingerprint

    def save(self, scores: np.ndarray) -> None:
        """Write the scores, float64 of shape (examples,).

        Raises:
            OSError: the disk is full or the folder cannot be written.
        """
        write_text_atomically(self.path, json.dumps({"run": self.fingerprint, "scores": scores.tolist()}))

    def restore(self) -> np.ndarray | None:
        """Read the scores back; None where there are none of this run. A damaged file is left out with a warning."""
        if not self.path.is_file():
            return None
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            return np.array(saved["scores"], dtype=float) if saved["run"] == self.fingerprint else None
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("%s is left out, since it cannot be read (%s); its training starts anew", self.path, error)
            return None
