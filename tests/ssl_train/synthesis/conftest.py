"""The pipeline's two runs on recorded answers, which several test modules look at."""

import pytest
from recorded_synthesis import Run, response_settings, run_recorded


@pytest.fixture(scope="session")
def prompt_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The 60 seeds' prompts, run once; tests must not change its folder."""
    return run_recorded(tmp_path_factory.mktemp("synthesis"))


@pytest.fixture(scope="session")
def response_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Responses to prompts from twelve of the seeds, run once; tests must not change its folder."""
    folder = tmp_path_factory.mktemp("responses")
    return run_recorded(folder, **response_settings(folder))
