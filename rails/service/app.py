"""The web app: the three protocols, health, metrics, and the gate before them."""

from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from . import classify, contents, moderations
from .gate import Gate
from .judging import SharedService
from .keys import Keys
from .refusal import Refused
from .state import Service

CODES = {404: "not_found", 405: "method_not_allowed"}
"""Words for what the framework refuses by itself; anything else is an invalid request."""

router = APIRouter()


def build_app(service: Service, keys: Keys) -> Gate:
    """Make the web app of a service, behind its gate, which asks for a key where there are ``keys``."""
    app = FastAPI(title="RailMatch", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    for part in (router, moderations.router, classify.router, contents.router):
        app.include_router(part)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused_by_the_framework)
    app.add_exception_handler(Exception, _failed)
    return Gate(app, service, keys)


@router.get("/healthz")
async def health() -> dict[Literal["status"], str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readiness(service: SharedService) -> JSONResponse:
    """Say whether requests should be sent here: not while models are loaded, and not once the server shall end."""
    return JSONResponse({"status": service.state}, 200 if service.state == "ready" else 503)


@router.get("/metrics")
async def metrics(service: SharedService) -> Response:
    """Give the metrics as Prometheus reads them."""
    return Response(generate_latest(service.scraped), media_type=CONTENT_TYPE_LATEST)


async def _refused(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, Refused):
        raise refused
    return refused.response()


async def _invalid(request: Request, error: Exception) -> Response:
    """Name the first fault of a request without repeating what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if part != "body")
    return Refused(400, "invalid_request", f"{where or 'the request'}: {fault['msg']}").response()


async def _refused_by_the_framework(request: Request, error: Exception) -> Response:
    """Give an unknown address, a wrong method or a body that is no text the body of every other error."""
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    response = Refused(status, CODES.get(status, "invalid_request"), error.detail).response()
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the server logs it."""
    return Refused(500, "internal_error", "the service failed; its log says why").response()
