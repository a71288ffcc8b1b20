"""What the rails load, and when: NeMo Guardrails only where an app is set up, torch only where something is judged."""

import subprocess
import sys

import pytest
import railmatch.rails


def test_nemo_guardrails_and_torch_are_loaded_late() -> None:
    script = """
import sys
import railmatch.rails.scaffold
assert not {"torch", "transformers", "nemoguardrails"} & set(sys.modules), "scaffold"
import railmatch.rails.guard
assert "nemoguardrails" not in sys.modules, "guard"
from railmatch.rails import init
assert "nemoguardrails" in sys.modules
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'railmatch.rails' has no attribute 'inti'"):
        railmatch.rails.inti  # noqa: B018 - the attribute is the test
