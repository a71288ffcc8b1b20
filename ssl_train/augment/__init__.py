"""Rewrites of texts by an LLM endpoint: asked for once, judged, and kept in a cache for good."""

from .cache import Answer, Cache, Key
from .endpoint import Endpoint
from .quality import judge
from .rewrites import RewriteSet, collect_rewrites, estimate
from .spending import Estimate
from .template import Template, load_template, shipped_strategies

__all__ = [
    "Answer",
    "Cache",
    "Endpoint",
    "Estimate",
    "Key",
    "RewriteSet",
    "Template",
    "collect_rewrites",
    "estimate",
    "judge",
    "load_template",
    "shipped_strategies",
]
