"""The report's tables of names and values: calibration, data, augmentation, and what the run was made with."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...classifier.model_folder import ModelSettings
from ..progress import duration

Rows = list[tuple[str, str]]

OUTCOMES = {
    "kept": "kept",
    "refused": "refused by the endpoint's model",
    "empty": "empty answer",
    "unchanged": "same as the original",
    "near_copy": "nearly the original",
    "too_long": "too long to rewrite, or rewritten too long",
    "too_short": "rewritten too short",
    "leaked": "introduction or instructions left in",
    "wrong_language": "other letters than the original's",
    "off_topic": "no longer about the original",
    "label_changed": "judged not to keep what the original says",
    "unjudged": "not judged",
    "repeated": "variant that was there already",
    "failed": "endpoint did not answer",
    "missing": "not asked for",
    "recorded": "of these from a file",
    "from_cache": "of these from the cache",
    "asked": "calls of the endpoint",
    "identity": "texts that are their own strong view",
    "eda": "word-level variants (EDA)",
    "fallback": "texts without any rewrite",
    "left_out": "texts left out for want of a rewrite",
}
"""What the counts of a run's rewrites are called."""

VOTE_OUTCOMES = OUTCOMES | {"kept": "votes", "unreadable": "answer that names no vote"}

VOTED = {"labelled": "labelled texts", "pool": "unlabelled texts"}

VOTE_CHOICES = {
    "random": "drawn at random",
    "uncertain": "those of which a classifier trained on the labels alone was least certain",
}

LEAKS = {"exact": "equal texts", "near": "nearly equal texts", "test": "test examples", "train": "training texts"}


def percent(share: float) -> str:
    """Write a share with one decimal: 4.5%."""
    return f"{100 * share:.1f}%"


def calibration_rows(calibration: Mapping[str, Any]) -> Rows:
    """Show temperature and threshold, and what the threshold did to the held-back labels."""
    low, high = map(percent, calibration["fpr_interval"])
    return [
        ("Temperature", f"{calibration['temperature']:.3f}"),
        ("Threshold", f"{calibration['threshold']:.4f}"),
        ("Target false-positive rate", f"{100 * calibration['target_fpr']:.3g}%"),
        ("Reached on held-back labels", f"{percent(calibration['fpr'])} (95% interval {low} to {high})"),
        ("Recall there", percent(calibration["recall"])),
        ("Held-back labels", classes(calibration)),
    ]


def data_rows(training: Mapping[str, Any]) -> Rows:
    """Count the examples that went in."""
    labelled, test = training.get("classes"), training.get("evaluation")
    return [
        ("Labelled", classes(labelled) if labelled else f"{training['labels']:,}"),
        ("Test", classes(test) if test else "none"),
        ("Unlabelled", f"{training['pool']:,}"),
        ("Longer than one window", f"{training.get('shortened', 0):,}"),
    ]


def classes(counts: Mapping[str, Any]) -> str:
    """Write how many examples of either class there are."""
    return f"{counts['harmful']:,} harmful, {counts['unharmful']:,} unharmful"


def count_rows(counts: Mapping[str, Any], titles: Mapping[str, str]) -> Rows:
    """Show counts by their titles; what is no count is left out, and what is 0, but for the first."""
    whole = [(name, count) for name, count in counts.items() if isinstance(count, int)]
    shown = [(name, count) for at, (name, count) in enumerate(whole) if count or at == 0]
    return [(titles.get(name, name.replace("_", " ")).capitalize(), f"{count:,}") for name, count in shown]


def vote_rows(votes: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Show what became of the votes on labelled and on unlabelled texts."""
    return [
        (f"{title}, {VOTED[kind]}", count)
        for kind, counts in votes.items()
        for title, count in count_rows(counts, VOTE_OUTCOMES)
    ]


def voter_rows(training: Mapping[str, Any]) -> Rows:
    """Say whose the votes are, and how the unlabelled texts with a vote were chosen; nothing without votes."""
    if not training.get("votes"):
        return []
    recipe = training["recipe"]
    augment, recorded = recipe["augment"], recipe["data"]["votes"]
    asked = augment["endpoint"]["model"] if augment["vote"] and augment["endpoint"] else None
    voters = [*([f"recorded in {recorded}"] if recorded else []), *([f"asked of {asked}"] if asked else [])]
    most, choice = augment["max_votes"], VOTE_CHOICES[augment["vote_choice"]]
    return [
        ("Whose votes", " and ".join(voters)),
        ("Unlabelled texts to vote on", f"at most {most:,}, {choice}" if most else "all that could have a vote"),
    ]


def attack_rows(training: Mapping[str, Any]) -> Rows:
    """Count the attacks of a hardening: written, kept, rejected, learnt from, and what they broke; none without one."""
    told = training.get("hardening")
    if not told:
        return []
    harvests, learnt = told["harvests"], training.get("attacks")
    rejected: Counter[str] = Counter()
    for harvest in harvests:
        rejected.update(harvest["rejected"])
    return [
        ("Started from", told["classifier"]),
        ("Generator", " ".join(filter(None, (told["generator"], told["model"])))),
        ("Rounds", f"{told['rounds']}, kept: {told['kept'] or 'the start'}"),
        *([("Ended because", told["stopped"])] if told["stopped"] else []),
        ("Texts written", f"{sum(harvest['texts'] for harvest in harvests):,}"),
        ("Kept", f"{sum(harvest['kept'] for harvest in harvests):,}"),
        *((f"Rejected: {reason}", f"{count:,}") for reason, count in rejected.most_common()),
        *([("Learnt from in the round that was kept", classes(learnt))] if learnt else []),
        *(
            (f"Seeds broken by fresh attacks, {name}", percent(told[key]))
            for name, key in (("before", "fresh_before"), ("after", "fresh_after"))
            if told[key] is not None
        ),
    ]


def run_rows(training: Mapping[str, Any], settings: ModelSettings) -> Rows:
    """Say what the model was made by, when, and how long it took."""
    return [
        ("Seed", str(training["seed"])),
        ("Method", training["method"]),
        ("Encoder", training["encoder"]),
        ("Steps", f"{training['steps']:,}"),
        ("Window", f"{settings.window} tokens"),
        ("Trained in", duration(training["seconds"])),
        ("Created", settings.created),
    ]
