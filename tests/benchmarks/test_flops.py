"""The count of a step's operations, worked out by hand for a tiny encoder."""

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "flops.py"


@pytest.fixture(scope="module")
def flops():
    """benchmarks/ is no package: its programs are run by path."""
    specification = importlib.util.spec_from_file_location("flops_of_a_step", FILE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


def test_a_forward_pass(flops):
    """One layer, width 2, feed-forward 3, 5 tokens.

    Four 2x2 matrices and two of 2x3 are 28 weights, each multiplied and added for 5 tokens: 280. Queries by keys are
    5 x 5 products of length 2, multiplied and added: 100; weights by values as many.
    """
    assert flops.Layers(count=1, hidden=2, feed_forward=3).forward(5) == 280 + 100 + 100
    assert flops.Layers(count=4, hidden=2, feed_forward=3).forward(5) == 4 * 480


def test_a_step_learns_from_some_texts_and_only_judges_others(flops):
    """One token: 28 x 2 + 4 + 4 = 64; learning costs a forward pass and a backward pass of twice that."""
    layers = flops.Layers(count=1, hidden=2, feed_forward=3)
    assert flops.step_flops(layers, judged=[1, 5], learnt=[]) == 64 + 480
    assert flops.step_flops(layers, judged=[1], learnt=[1, 5]) == 64 + 3 * (64 + 480)
