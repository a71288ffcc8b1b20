"""The settings of a cluster: what cannot be used is refused before a cluster is touched."""

import re
from pathlib import Path

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.rails.cluster.settings import ReplicaSettings
from railmatch.rails.service.settings import ServiceSettings
from railmatch.scoring.settings import ClusterScoreSettings, ScoreSettings


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["gpus=1.5"], "gpus is 1.5: it is a share of one GPU, or a whole number of them"),
        (["gpus=0.5", "device=cpu"], "gpus is 0.5, but device is 'cpu': leave one of them out"),
        (
            ["gpus=0", "device=cuda"],
            "device is 'cuda', but gpus is 0: leave gpus out, or give a share such as gpus=0.25",
        ),
        (["replicas=4", "max_replicas=2"], "max_replicas is 2, which is less than replicas (4)"),
        (["port=0"], "port is 0: every node of a cluster listens on the same port, so choose one"),
        (["cpus=.inf"], "cpus is inf: input should be a finite number"),
        (["replica=4"], "replica: unknown setting; did you mean 'replicas'?"),
        (["burst=4"], "burst is 4, but nothing is limited: give rate_limit too, or leave burst out"),
    ],
)
def test_what_cannot_be_used_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ReplicaSettings.from_options({}, pairs)
    assert str(caught.value) == message


@pytest.mark.parametrize(("cpus", "cores"), [(0.5, 1), (1.0, 1), (4.0, 4)])
def test_an_int8_form_takes_the_cores_that_are_reserved(cpus: float, cores: int) -> None:
    assert ReplicaSettings(cpus=cpus).cores == cores


def test_every_setting_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(\w+)` \|", page.partition("## More than one machine")[2], re.MULTILINE))
    more = set(ReplicaSettings.model_fields) | set(ClusterScoreSettings.model_fields)
    assert more - set(ServiceSettings.model_fields) - set(ScoreSettings.model_fields) <= explained
    scoring = page.partition("## Whole data sets")[2].partition("## More than one machine")[0]
    assert set(ScoreSettings.model_fields) - {"models", "device"} == set(
        re.findall(r"^\| `(\w+)` \|", scoring, re.MULTILINE)
    )
