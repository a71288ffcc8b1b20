"""The service's settings: defaults, the command's pairs, and every refusal with its cure."""

import re
from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.rails.service.settings import ServiceSettings


def test_pairs_are_read_as_yaml_and_win_over_options() -> None:
    settings = ServiceSettings.from_options(
        {"port": 9000, "rate_limit": None}, ["port=9001", "deadline=2", "audit_text=true", "audit_file=log.jsonl"]
    )
    assert (settings.port, settings.deadline, settings.audit_text) == (9001, 2.0, True)
    assert (settings.audit_file, settings.rate_limit) == ("log.jsonl", None)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("deadlin=2", "deadlin: unknown setting; did you mean 'deadline'?"),
        ("deadline=0", "deadline is 0: input should be greater than 0"),
        ("deadline=1.0e+10", "deadline is 10000000000.0: input should be less than or equal to 3600"),
        ("deadline=.inf", "deadline is inf: input should be a finite number"),
        ("body_seconds=.inf", "body_seconds is inf: input should be a finite number"),
        ("header_seconds=.nan", "header_seconds is nan: input should be a finite number"),
        ("drain=.nan", "drain is nan: input should be a finite number"),
        ("rate_limit=.inf", "rate_limit is inf: input should be a finite number"),
        ("port=70000", "port is 70000: input should be less than or equal to 65535"),
        ("max_body=1.5", "max_body is 1.5: input should be a valid integer"),
        ("deadline", "--set deadline: write KEY=VALUE, such as --set device=cpu"),
        ("=2", "--set =2: write KEY=VALUE, such as --set device=cpu"),
        ("deadline={", "--set deadline={: the value is no YAML"),
        ("burst=4", "burst is 4, but nothing is limited: give rate_limit too, or leave burst out"),
        ("tls_key=key.pem", "tls_certificate and tls_key are given both or not at all"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_cure(pair: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ServiceSettings.from_options({}, [pair])
    assert str(caught.value) == message


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServiceSettings().keys() == ()
    monkeypatch.setenv("GUARD_KEY", "old, new,")
    assert ServiceSettings(api_key_env="GUARD_KEY").keys() == ("old", "new")
    monkeypatch.setenv("GUARD_KEY", " ,")
    with pytest.raises(SettingsError) as caught:
        ServiceSettings(api_key_env="GUARD_KEY").keys()
    assert str(caught.value) == (
        "api_key_env is 'GUARD_KEY', but that environment variable is not set or empty; "
        "put the key there that clients shall send"
    )


def test_every_setting_is_explained_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) \| .+ \|$", page.partition("## Settings")[2], re.MULTILINE)
    explained = {name: default.strip("`") for names, default in rows for name in re.findall(r"\w+", names)}
    assert set(explained) == set(ServiceSettings.model_fields)
    for name, default in explained.items():
        value = ServiceSettings.model_fields[name].default
        assert default == ("false" if value is False else f"{value:g}" if isinstance(value, float) else str(value)) or (
            value is None and default in ("none", "the model's", "twice that")
        )
