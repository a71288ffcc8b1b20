"""``init`` refuses what cannot work before a chat begins, and says what checks what."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from nemoguardrails import LLMRails, RailsConfig
from railmatch.classifier.errors import EngineError, ModelError, RailMatchError, SettingsError
from railmatch.classifier.model import SafetyClassifier


def cause(config: RailsConfig) -> BaseException:
    """What made the construction of the app fail; NeMo wraps it and names the config."""
    with pytest.raises(RuntimeError, match=r"Failed to initialize configuration module at .*config\.py") as caught:
        LLMRails(config)
    assert isinstance(caught.value.__cause__, RailMatchError)
    return caught.value.__cause__


def test_the_log_says_which_model_checks_what(
    config: Callable[..., RailsConfig], trigger_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="railmatch"):
        LLMRails(config())
    assert f"prompts are checked with {trigger_models / 'prompt'} at threshold 0.5000" in caplog.text
    assert f"responses are checked with {trigger_models / 'response'} at threshold 0.5000" in caplog.text


def test_a_setting_that_cannot_be_used_stops_the_app(config: Callable[..., RailsConfig]) -> None:
    error = cause(config(lambda content: content["custom_data"]["railmatch"].update(fial="open")))
    assert isinstance(error, SettingsError)
    assert "did you mean 'fail'?" in str(error)


def test_a_rail_without_its_model_stops_the_app(
    config: Callable[..., RailsConfig], trigger_models: Path, tmp_path: Path
) -> None:
    def check_responses_too(content: dict[str, Any]) -> None:
        content["rails"]["output"] = {"flows": ["railmatch check output"]}

    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "prompt").symlink_to(trigger_models / "prompt")
    error = cause(config(check_responses_too, models=tmp_path / "models"))
    assert isinstance(error, ModelError)
    assert str(error).startswith("no model judges a response: loaded were only ")


def test_a_model_that_cannot_judge_stops_the_app(
    config: Callable[..., RailsConfig], trigger_models: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(trigger_models, broken)
    classifier = SafetyClassifier.load(broken / "prompt", device="cpu")
    with torch.no_grad():
        classifier.network.classifier.bias.fill_(float("nan"))
    classifier.save(broken / "prompt")
    error = cause(config(models=broken))
    assert isinstance(error, EngineError)
    assert str(error) == "the model gave no number"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_asked_for_and_not_there_stops_the_app(config: Callable[..., RailsConfig]) -> None:
    error = cause(config(lambda content: content["custom_data"]["railmatch"].update(device="cuda")))
    assert isinstance(error, ModelError)


def test_a_config_that_checks_nothing_is_warned_about(
    config: Callable[..., RailsConfig], caplog: pytest.LogCaptureFixture
) -> None:
    LLMRails(config(lambda content: content.pop("rails")))
    assert "no rail calls railmatch_check_input or railmatch_check_output" in caplog.text


def test_what_settings_ask_for_is_told_every_verdict(config: Callable[..., RailsConfig], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    audit = {"audit_file": str(tmp_path / "audit.jsonl"), "audit_text": True, "metrics": address}
    app = LLMRails(config(lambda content: content["custom_data"]["railmatch"].update(audit)))
    app.check([{"role": "user", "content": "how do i bake bread"}])
    (line,) = map(json.loads, (tmp_path / "audit.jsonl").read_text().splitlines())
    assert (line["decision"], line["prompt"]) == ("allow", "how do i bake bread")
    scraped = httpx.get(f"http://{address}/metrics").text
    assert 'railmatch_decisions_total{decision="allow",task="prompt"} 1.0' in scraped
    assert "railmatch_engine_queue{" in scraped


def test_apps_of_one_process_share_an_audit_log(config: Callable[..., RailsConfig], tmp_path: Path) -> None:
    audit = {"audit_file": str(tmp_path / "audit.jsonl")}
    for _ in range(3):
        LLMRails(config(lambda content: content["custom_data"]["railmatch"].update(audit)))
    opened = [Path(file.path) for file in psutil.Process().open_files()]
    assert opened.count((tmp_path / "audit.jsonl").resolve()) == 1


def test_an_audit_log_that_cannot_be_written_stops_the_app(config: Callable[..., RailsConfig], tmp_path: Path) -> None:
    audit = {"audit_file": str(tmp_path / "missing" / "audit.jsonl")}
    assert isinstance(cause(config(lambda content: content["custom_data"]["railmatch"].update(audit))), SettingsError)


def test_two_apps_share_the_models(config: Callable[..., RailsConfig]) -> None:
    apps = [LLMRails(config()), LLMRails(config())]
    engines = [_guard(app).check("prompt").engine for app in apps]
    assert engines[0] is engines[1]


def _guard(app: LLMRails) -> Any:
    return app.runtime.action_dispatcher.get_action("railmatch_check_input").__self__.guard
