"""Where a path of a recipe leads: from the current folder, else from the recipe's own."""

import os
from pathlib import Path


def places_of(path: str, base: Path | None = None) -> list[Path]:
    """List where ``path`` may lie, in the order of looking: the current folder, then ``base``; ``~`` is understood."""
    relative = Path(path).expanduser()
    return [relative] if base is None or relative.is_absolute() else [relative, base / relative]


def first_there(places: list[Path]) -> Path | None:
    """Give the first of the places at which there is something."""
    return next((place for place in places if os.path.exists(place)), None)  # Path.exists raises on too long a name


def tried(places: list[Path]) -> str:
    """Write down for a message where something was looked for."""
    return "looked for " + " and ".join(str(place.absolute()) for place in places)
