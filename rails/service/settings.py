"""ServiceSettings: everything that can be set of the HTTP service, checked before a model is loaded."""

import os
from typing import Self

from pydantic import Field, model_validator

from ...classifier.errors import SettingsError
from ...classifier.model import Device
from ..options import OptionSettings

MEBIBYTE = 1 << 20


class ServiceSettings(OptionSettings):
    """What ``railmatch serve`` can be told.

    Attributes:
        models: folder with ``prompt/`` and ``response/``, or with one model itself.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        device: ``auto`` takes the GPU when there is one.
        api_key_env: environment variable with the key that clients must send, or several separated by commas.
        rate_limit: requests a second of each key, or of each address where no key is asked for.
        burst: how many requests may come at once before ``rate_limit`` counts; twice the limit when left out.
        max_body: most bytes of a request.
        max_texts: most texts of a request.
        max_connections: most connections at a time; the requests of others are refused.
        header_seconds: how long a connection may stay open without the headers of a request being complete.
        body_seconds: how long the body of a request may take to arrive.
        deadline: seconds, at most an hour, after which a text counts as not judged.
        drain: seconds between SIGTERM, when ``/readyz`` turns 503, and the end of listening.
        prompt_threshold: replaces the threshold stored with the model, in (0, 1].
        response_threshold: the same for responses.
        audit_file: gets a line of JSON for every check.
        audit_text: whether those lines hold the texts themselves, not their hashes.
        tls_certificate: PEM file with the certificate chain; with it the service speaks https.
        tls_key: PEM file with the certificate's key.
    """

    models: str = "models"
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    device: Device = "auto"
    api_key_env: str | None = None
    rate_limit: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    burst: int | None = Field(default=None, ge=1)
    max_body: int = Field(default=MEBIBYTE, ge=1)
    max_texts: int = Field(default=256, ge=1)
    max_connections: int = Field(default=1024, ge=1)
    header_seconds: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    body_seconds: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    deadline: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    drain: float = Field(default=5.0, ge=0, le=3600, allow_inf_nan=False)
    prompt_threshold: float | None = Field(default=None, gt=0, le=1)
    response_threshold: float | None = Field(default=None, gt=0, le=1)
    audit_file: str | None = None
    audit_text: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None

    @model_validator(mode="after")
    def _certificate_and_key_come_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key are given both or not at all")
        return self

    @model_validator(mode="after")
    def _a_burst_belongs_to_a_rate(self) -> Self:
        if self.burst is not None and self.rate_limit is None:
            raise ValueError(f"burst is {self.burst}, but nothing is limited: give rate_limit too, or leave burst out")
        return self

    def keys(self) -> tuple[str, ...]:
        """Read the keys that clients may send; none where no key is asked for.

        Raises:
            SettingsError: the environment variable is not there, or holds no key.
        """
        if self.api_key_env is None:
            return ()
        keys = tuple(key for part in os.environ.get(self.api_key_env, "").split(",") if (key := part.strip()))
        if not keys:
            raise SettingsError(
                f"api_key_env is {self.api_key_env!r}, but that environment variable is not set or empty; "
                "put the key there that clients shall send"
            )
        return keys
