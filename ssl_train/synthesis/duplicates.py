"""Texts that are there already: the same, a near copy, or the same meaning in other words.

Each check gives a reason against each candidate, empty where there is none. Known texts come first, and of two like
candidates the earlier stays.
"""

from collections.abc import Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH

from ..data.records import normalised
from .sample import Sample

PERMUTATIONS = 128
SHINGLE = 3
"""Words of a shingle; a shorter text is one shingle."""


def same_texts(candidates: Sequence[Sample], known: Sequence[Sample]) -> list[str]:
    """Find candidates whose text, case and white space aside, is another's."""
    seen: dict[str, str] = {}
    for sample in known:
        seen.setdefault(normalised(sample.text), sample.id)
    reasons = []
    for sample in candidates:
        text = normalised(sample.text)
        reasons.append(f"same text as {seen[text]}" if text in seen else "")
        seen.setdefault(text, sample.id)
    return reasons


def near_copies(candidates: Sequence[Sample], known: Sequence[Sample], threshold: float) -> list[str]:
    """Find candidates whose three-word shingles have a Jaccard similarity of ``threshold`` or more with another's.

    The similarity is estimated by MinHash (Broder 1997) with 128 permutations.
    """
    # The index misses some of the pairs that are just as like as it is asked for; so it is asked for less.
    index = MinHashLSH(threshold=0.8 * threshold, num_perm=PERMUTATIONS)
    sketches: dict[int, MinHash] = {}
    everything = [*known, *candidates]
    reasons = []
    for place, sample in enumerate(everything):
        sketch = sketch_of(sample.text)
        likeness = {other: sketch.jaccard(sketches[other]) for other in index.query(sketch)}
        nearest = min(likeness, key=lambda other: (-likeness[other], other), default=place)
        copy = likeness.get(nearest, 0.0) >= threshold
        if not copy:
            sketches[place] = sketch
            index.insert(place, sketch)
        reasons.append(f"near copy of {everything[nearest].id} ({likeness[nearest]:.2f})" if copy else "")
    return reasons[len(known) :]


def sketch_of(text: str) -> MinHash:
    """Give the MinHash of a text's shingles."""
    words = normalised(text).split()
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    for start in range(max(1, len(words) - SHINGLE + 1)):
        sketch.update(" ".join(words[start : start + SHINGLE]).encode())
    return sketch


def same_meanings(
    candidates: Sequence[Sample],
    known: Sequence[Sample],
    vectors: np.ndarray,
    known_vectors: np.ndarray,
    threshold: float,
) -> list[str]:
    """Find candidates whose embedding has a cosine of ``threshold`` or more with another's.

    ``vectors`` are unit rows of shape (candidates, width), ``known_vectors`` of shape (known, width).
    """
    names = [sample.id for sample in known]
    kept = np.concatenate([known_vectors, vectors])
    reasons = []
    for sample, vector in zip(candidates, vectors, strict=True):
        cosines = kept[: len(names)] @ vector
        nearest = int(cosines.argmax()) if names else 0
        if names and cosines[nearest] >= threshold:
            reasons.append(f"same meaning as {names[nearest]} ({cosines[nearest]:.2f})")
            continue
        reasons.append("")
        kept[len(names)] = vector
        names.append(sample.id)
    return reasons
