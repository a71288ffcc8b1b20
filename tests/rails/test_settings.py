"""The settings are refused as written, with the cure, before a model is loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nemoguardrails import RailsConfig
from railmatch.classifier.errors import SettingsError
from railmatch.rails.in_use import tasks_in_use
from railmatch.rails.settings import RailSettings


def with_settings(**settings: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["custom_data"]["railmatch"].update(settings)


def with_streaming(**streaming: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["rails"]["output"]["streaming"].update(streaming)


def test_what_init_writes_is_read_back(config: Callable[..., RailsConfig], trigger_models: Path) -> None:
    settings = RailSettings.from_config(config())
    assert settings == RailSettings(models=str(trigger_models), device="auto", fail="closed")


def test_every_setting_is_read(config: Callable[..., RailsConfig]) -> None:
    given = {"device": "cpu", "fail": "open", "deadline": 2, "prompt_threshold": 0.25, "response_threshold": 1}
    given |= {"context_turns": 3, "audit_file": "audit.jsonl", "audit_text": True, "metrics": "127.0.0.1:9464"}
    settings = RailSettings.from_config(config(with_settings(**given)))
    assert settings.model_dump(exclude={"models"}) == given
    assert settings.thresholds == {"prompt": 0.25, "response": 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"devise": "cpu"}, "custom_data.railmatch.devise: unknown setting; did you mean 'device'?"),
        ({"xyz": 1}, "custom_data.railmatch.xyz: unknown setting; known settings: models, device, fail, deadline"),
        ({"device": "gpu"}, "custom_data.railmatch.device is 'gpu': input should be 'auto', 'cpu' or 'cuda'"),
        ({"fail": "close"}, "custom_data.railmatch.fail is 'close': input should be 'closed' or 'open'"),
        ({"prompt_threshold": "0.5"}, "custom_data.railmatch.prompt_threshold is '0.5': input should be a valid num"),
        ({"prompt_threshold": 50}, "custom_data.railmatch.prompt_threshold is 50: input should be less than or equal"),
        ({"response_threshold": 0}, "custom_data.railmatch.response_threshold is 0: input should be greater than 0"),
        ({"deadline": 0}, "custom_data.railmatch.deadline is 0: input should be greater than 0"),
        ({"deadline": 1e10}, "custom_data.railmatch.deadline is 10000000000.0: input should be less than or equal to"),
        ({"deadline": float("inf")}, "custom_data.railmatch.deadline is inf: input should be a finite number"),
        (
            {"context_turns": -1},
            "custom_data.railmatch.context_turns is -1: input should be greater than or equal to 0",
        ),
        ({"models": 3}, "custom_data.railmatch.models is 3: input should be a valid string"),
    ],
)
def test_what_is_not_allowed_is_named(config: Callable[..., RailsConfig], given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(config(with_settings(**given)))
    assert str(caught.value).startswith(message)


def test_a_misspelt_section_is_not_taken_for_defaults(config: Callable[..., RailsConfig]) -> None:
    def misspell(content: dict[str, Any]) -> None:
        content["custom_data"] = {"railmach": content["custom_data"]["railmatch"]}

    with pytest.raises(SettingsError, match=r"railmach: unknown section; did you mean custom_data.railmatch\?"):
        RailSettings.from_config(config(misspell))


def test_a_section_that_holds_no_settings_is_refused(config: Callable[..., RailsConfig]) -> None:
    with pytest.raises(SettingsError, match="holds settings such as 'models: models', not 'models'"):
        RailSettings.from_config(config(lambda content: content["custom_data"].update(railmatch="models")))


def test_other_sections_are_left_alone(config: Callable[..., RailsConfig]) -> None:
    RailSettings.from_config(config(lambda content: content["custom_data"].update(matches=1)))


@pytest.mark.parametrize("beside", [True, False])
def test_models_are_looked_for_beside_the_config_first(
    config_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    folder = config_folder(with_settings(models="mine"))
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    monkeypatch.chdir(here)
    if beside:
        (folder / "mine").mkdir()
    for path in (folder, folder / "config.yml"):
        config = RailsConfig.from_path(str(path))
        config.flows = []
        assert RailSettings.from_config(config).models == str((folder if beside else here) / "mine")


def test_a_missing_folder_is_named_with_the_places_looked_at(
    config: Callable[..., RailsConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(config(with_settings(models="modles")))
    assert f"(looked for {tmp_path / 'guardrails' / 'modles'} and {tmp_path / 'modles'})" in str(caught.value)


def test_a_response_must_not_be_shown_before_it_is_checked(config: Callable[..., RailsConfig]) -> None:
    with pytest.raises(SettingsError, match=r"before it is checked; write 'stream_first: false'"):
        RailSettings.from_config(config(with_streaming(stream_first=True)))


def test_a_window_must_hold_what_came_before_it(config: Callable[..., RailsConfig]) -> None:
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(config(with_streaming(context_size=0)))
    assert str(caught.value) == (
        "rails.output.streaming.context_size is 0, so each window of a response would be judged without what came "
        "before it; write at least 'context_size: 1' (NeMo's default is 50)"
    )


def test_a_retrieval_rail_that_nemo_never_runs_is_refused(config_folder: Callable[..., Path]) -> None:
    folder = config_folder(lambda content: content["rails"].update(retrieval={"flows": ["railmatch check retrieval"]}))
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(RailsConfig.from_path(str(folder)))
    assert str(caught.value) == (
        "rails.retrieval.flows is ['railmatch check retrieval'], but without dialog rails ('define user ...') NeMo "
        "never runs retrieval rails; list the flow under rails.input.flows, which checks the relevant_chunks of a "
        "context message before the main LLM is asked"
    )
    (folder / "dialog.co").write_text('define user greets\n  "hello"\n')
    assert tasks_in_use(RailsConfig.from_path(str(folder))) == ["prompt", "response"]
    RailSettings.from_config(RailsConfig.from_path(str(folder)))


def test_streaming_is_fine_where_no_response_is_checked_or_none_is_streamed(config: Callable[..., RailsConfig]) -> None:
    RailSettings.from_config(config(with_streaming(stream_first=True, enabled=False)))

    def check_prompts_only(content: dict[str, Any]) -> None:
        content["rails"]["output"] = {"streaming": {"enabled": True}}

    RailSettings.from_config(config(check_prompts_only))


@pytest.mark.parametrize("name", ["look twice", "look twice $times=2"])
def test_an_action_called_by_a_flow_of_the_apps_own_counts(config_folder: Callable[..., Path], name: str) -> None:
    def own_flow(content: dict[str, Any]) -> None:
        content["rails"]["output"] = {"flows": [name], "streaming": {"enabled": True}}

    folder = config_folder(own_flow)
    (folder / "own.co").write_text("define subflow look twice\n  $seen = execute railmatch_check_output\n")
    with pytest.raises(SettingsError, match="stream_first"):
        RailSettings.from_config(RailsConfig.from_path(str(folder)))


@pytest.mark.parametrize(
    "calls", ["  execute own_check\n  execute railmatch_check_output\n", "  do railmatch check output\n"]
)
def test_a_rail_that_a_stream_would_not_run_is_refused(config_folder: Callable[..., Path], calls: str) -> None:
    def streamed(flow: str) -> Callable[[dict[str, Any]], None]:
        streaming = {"enabled": True, "stream_first": False}
        return lambda content: content["rails"].update(output={"flows": [flow], "streaming": streaming})

    folder = config_folder(streamed("mine"))
    (folder / "own.co").write_text(f"define subflow mine\n{calls}")
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(RailsConfig.from_path(str(folder)))
    assert str(caught.value) == (
        "rails.output.flows has 'mine', of which NeMo runs nothing but its own first action while it streams, and that "
        "is not railmatch_check_output; list 'railmatch check output' itself, beside it"
    )
    (folder / "own.co").write_text("define subflow mine\n  $seen = execute railmatch_check_output\n  do own checks\n")
    RailSettings.from_config(RailsConfig.from_path(str(folder)))


@pytest.mark.parametrize("name", RailSettings.model_fields)
def test_every_setting_is_in_the_documentation(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "rails.md").read_text("utf-8")
    assert f"| `{name}` |" in page
