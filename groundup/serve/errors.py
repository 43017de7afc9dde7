"""How the server says no: OpenAI's error object, and nothing about the program.

    {"error": {"message": "temperature=99 is not allowed. Choose 0 to 2.", "type": "invalid_request_error",
               "param": "temperature", "code": null}}

Next: ask.py, which raises most of them.
"""

from __future__ import annotations

import json


class ApiError(Exception):
    """A request that is refused, and what its sender is told."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> bytes:
        """As JSON."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        told = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return json.dumps({"error": told}, ensure_ascii=False).encode("utf-8", "replace")  # half a character


def bad(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400: what was wrong with the value, what is allowed, what to do."""
    return ApiError(400, message, param=param, code=code)
