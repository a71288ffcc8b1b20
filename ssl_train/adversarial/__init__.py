"""RL-guided adversarial rounds: a generator hunts the classifier, and the classifier learns from what it finds.

It implements the loop that arXiv:2507.08284 (Ilin et al. 2025) describes; only the abstract of the paper was at hand,
so rewards, rounds and sizes are our own. One round, in the order of the modules:

1. ``generators/`` write texts for seeds (``attack.Seed`` -> ``attack.Candidate``): by reinforcement learning, by plain
   sampling (the control), by the LLM endpoint, or not at all. A generator that learns does so against ``rewards``.
2. ``rewards`` scores candidates: ``gate * fool + shaping``, with every term by itself. ``judges`` and ``fluency`` are
   what the gate asks.
3. ``harvest`` keeps what passes the gate, is new and is not too much of one kind (``attack.Attack``).
4. ``rounds`` fine-tunes the classifier on it, measures, decides whether to go on, and keeps the best round.
"""
