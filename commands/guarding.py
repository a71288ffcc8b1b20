"""Commands that put the models in front of an app: a guardrails config, or a service."""

from pathlib import Path
from typing import Any, Literal

import click

from .options import DEVICE, MODELS, RAY, needing


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@MODELS
@click.option("--main-model", default="gpt-4o-mini", show_default=True, help="The chat model that answers.")
@click.option(
    "--base-url", default="https://api.openai.com/v1", show_default=True, help="Its OpenAI-compatible endpoint."
)
@click.option(
    "--colang", type=click.Choice(["1", "2"]), default="1", show_default=True, help="Colang version of the flows."
)
@click.option("--force", is_flag=True, help="Replace the files of an earlier config.")
def init(folder: Path, models: Path, main_model: str, base_url: str, colang: Literal["1", "2"], force: bool) -> None:
    """Write a NeMo Guardrails config to DIR that checks a chat with the models of --models.

    Example:

    \b
        railmatch init guardrails --models models
        nemoguardrails chat --config guardrails

    \b
    - The config checks prompts if models/prompt is there, responses if models/response is.
    - The key of the main model is read from OPENAI_API_KEY when the app starts.
    - With --colang 2, responses are not streamed: NeMo would not check them.
    """
    from ..rails.scaffold import write_config

    written = write_config(folder, models, main_model=main_model, base_url=base_url, colang=colang, force=force)
    for path in written:
        click.echo(path)


@click.command(name="serve")
@MODELS
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8080, show_default=True, help="The port to listen on; 0 takes a free one.")
@DEVICE
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the key that clients must send.")
@click.option("--rate-limit", type=float, help="Requests a second of each key, or each address; no limit if left out.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another setting, e.g. deadline=2.")
@RAY
def run_service(overrides: tuple[str, ...], models: Path, on_ray: bool, **options: Any) -> None:
    """Serve the models over HTTP, as OpenAI, vLLM and FMS detectors do.

    Example:

    \b
        railmatch serve --models models --port 8080
        railmatch serve --api-key-env RAILMATCH_KEY --rate-limit 50 --set deadline=2
        railmatch serve --ray --set replicas=4 --set gpus=0.25

    \b
    - POST /v1/moderations, /classify, /api/v1/text/contents; GET /healthz, /readyz, /metrics.
    - A text that could not be judged is an error 503, never an allowed text.
    - With --ray, replicas serve; SIGHUP has one after the other load the models anew.
    - SIGTERM: /readyz turns 503, and the process ends when every request is answered.
    - The other settings are in docs/serving.md.
    """
    given = {"models": str(models), **options}
    if on_ray:
        with needing("serve --ray", "ray"):
            from ..rails.cluster.serving import serve_on_ray
            from ..rails.cluster.settings import ReplicaSettings
        serve_on_ray(ReplicaSettings.from_options(given, overrides), say=click.echo)
        return
    with needing("serve", "server"):
        from ..rails.service.server import serve
        from ..rails.service.settings import ServiceSettings
    serve(ServiceSettings.from_options(given, overrides), say=click.echo)
