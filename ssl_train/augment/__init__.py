"""Rewrites of texts, and votes on them, by an LLM endpoint: asked for once, judged, and kept in a cache for good.

EDA and back-translation, which need no endpoint, are what rewrites are compared with.
"""

from .cache import Answer, Cache, Key
from .endpoint import Endpoint
from .quality import judge
from .rewrites import RewriteSet, collect_rewrites, estimate
from .spending import Estimate
from .template import Template, load_template, shipped_strategies
from .votes import VoteSet, collect_votes, estimate_votes

__all__ = [
    "Answer",
    "Cache",
    "Endpoint",
    "Estimate",
    "Key",
    "RewriteSet",
    "Template",
    "VoteSet",
    "collect_rewrites",
    "collect_votes",
    "estimate",
    "estimate_votes",
    "judge",
    "load_template",
    "shipped_strategies",
]
