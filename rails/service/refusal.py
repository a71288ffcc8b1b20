"""Refused: why a request gets no judgement, in a form that the clients of all three protocols read."""

import math

from fastapi.responses import JSONResponse


class Refused(Exception):
    """Ends a request with an HTTP status, a word for machines and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: float | None = None) -> None:
        """Take the status, the word, the sentence, and after how many seconds trying again may help."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def response(self) -> JSONResponse:
        """Give the answer: ``error`` is as OpenAI and vLLM write it, ``code`` and ``message`` as FMS detectors do."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        headers = {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"code": self.status, "message": self.message, "error": error}, self.status, headers)
