"""The reading of Retry-After; what errors mean is tested against a real server in test_endpoint.py."""

from datetime import UTC, datetime

import pytest
from railmatch.ssl_train.augment.trouble import retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30.0),
        ("Sun, 01 Mar 2026 12:00:10 -0000", 10.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_and_dates(value: str | None, seconds: float | None):
    assert retry_after_s(value, NOW) == seconds
