"""New labelled examples from a few human ones: written by an LLM, curated in rounds, each with its whole lineage.

It implements the pipeline that arXiv:2507.08284 (Ilin et al. 2025) describes: seeds -> query augmentation -> paraphrase
-> curation rounds. Only the abstract of the paper was at hand; the checks, their order and their values are our own.
"""
