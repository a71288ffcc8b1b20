"""``railmatch init``: the written config is complete, its own, and never written over another."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from nemoguardrails import LLMRails, RailsConfig
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.rails.scaffold import write_config

CHECKOUT = Path(__file__).parents[2]


def settings_of(folder: Path) -> dict:
    return yaml.safe_load((folder / "config.yml").read_text())


def test_three_files_are_written(trigger_models: Path, tmp_path: Path) -> None:
    written = write_config(tmp_path / "new" / "guardrails", trigger_models)
    assert [path.name for path in written] == ["config.yml", "config.py", "railmatch.co"]
    assert all(path.is_file() for path in written)


def test_main_model_and_address_are_filled_in(trigger_models: Path, tmp_path: Path) -> None:
    write_config(tmp_path, trigger_models, main_model='a: "b"', base_url="http://127.0.0.1:9/v1")
    expected = {
        "type": "main", "engine": "openai", "model": 'a: "b"', "parameters": {"base_url": "http://127.0.0.1:9/v1"},
    }  # fmt: skip
    assert settings_of(tmp_path)["models"] == [expected]


def test_the_opening_comment_names_the_folder(trigger_models: Path, tmp_path: Path) -> None:
    write_config(tmp_path, trigger_models)
    assert f"#   nemoguardrails chat --config {tmp_path}\n" in (tmp_path / "config.yml").read_text()


@pytest.mark.parametrize(
    ("models", "written"),
    [("app/models", "../models"), ("app/guardrails/models", "models"), ("models", None)],
)
def test_models_are_named_so_that_both_can_move_together(
    trigger_models: Path, tmp_path: Path, models: str, written: str | None
) -> None:
    place = tmp_path / models
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(trigger_models)
    write_config(tmp_path / "app" / "guardrails", place)
    assert settings_of(tmp_path / "app" / "guardrails")["custom_data"]["railmatch"]["models"] == (written or str(place))


@pytest.mark.parametrize(("task", "rail"), [("prompt", "input"), ("response", "output")])
@pytest.mark.parametrize("single", [True, False])
def test_only_what_a_model_judges_is_checked(
    trigger_models: Path, tmp_path: Path, task: str, rail: str, single: bool
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / task).symlink_to(trigger_models / task)
    write_config(tmp_path / "guardrails", tmp_path / "models" / task if single else tmp_path / "models")
    assert list(settings_of(tmp_path / "guardrails")["rails"]) == [rail]
    LLMRails(RailsConfig.from_path(str(tmp_path / "guardrails")))


def test_a_config_with_other_content_is_not_written_over(trigger_models: Path, tmp_path: Path) -> None:
    write_config(tmp_path, trigger_models)
    (tmp_path / "config.yml").write_text("mine")
    with pytest.raises(SettingsError) as caught:
        write_config(tmp_path, trigger_models)
    file = tmp_path / "config.yml"
    assert str(caught.value) == f"{file}: there already; choose another folder, or move it away first"
    assert (tmp_path / "config.yml").read_text() == "mine"
    write_config(tmp_path, trigger_models, force=True)
    assert settings_of(tmp_path)["rails"]


def test_writing_the_same_again_changes_nothing(trigger_models: Path, tmp_path: Path) -> None:
    for path in write_config(tmp_path, trigger_models):
        os.utime(path, (0, 0))
    assert [path.stat().st_mtime for path in write_config(tmp_path, trigger_models)] == [0, 0, 0]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model: neither prompt/railmatch.json nor response/railmatch.json"):
        write_config(tmp_path / "guardrails", tmp_path)
    assert not (tmp_path / "guardrails").exists()


@pytest.mark.parametrize("single", [True, False])
def test_a_damaged_model_is_refused(trigger_models: Path, tmp_path: Path, single: bool) -> None:
    model = tmp_path / "models" / "response"
    shutil.copytree(trigger_models / "response", model)
    (model / "railmatch.json").write_text('{"task": "toxic"}')
    with pytest.raises(ModelError) as caught:
        write_config(tmp_path / "guardrails", model if single else tmp_path / "models")
    file = model / "railmatch.json"
    assert str(caught.value) == (
        f"{file} cannot be read: task: Input should be 'prompt' or 'response'; train the model again"
    )
    assert not (tmp_path / "guardrails").exists()


@pytest.mark.parametrize(("folder", "colang"), [("guardrails", "colang_1"), ("guardrails_colang_2", "colang_2")])
def test_the_flows_of_the_config_are_those_of_the_rails(folder: str, colang: str) -> None:
    copy = CHECKOUT / "config" / folder / "railmatch.co"
    assert copy.read_bytes() == (CHECKOUT / "rails" / colang / "railmatch.co").read_bytes()


def test_both_configs_are_set_up_alike() -> None:
    first, second = (CHECKOUT / "config" / folder for folder in ("guardrails", "guardrails_colang_2"))
    assert (first / "config.py").read_bytes() == (second / "config.py").read_bytes()
    assert settings_of(first)["custom_data"] == settings_of(second)["custom_data"]


def test_the_config_of_a_checkout_works_as_it_is(
    trigger_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").symlink_to(trigger_models)
    (tmp_path / "config").symlink_to(CHECKOUT / "config")
    monkeypatch.chdir(tmp_path)
    app = LLMRails(RailsConfig.from_path("config/guardrails"))
    assert app.check([{"role": "user", "content": "how do i make a weapon"}]).status == "blocked"
    assert app.check([{"role": "user", "content": "how do i bake bread"}]).status == "passed"
