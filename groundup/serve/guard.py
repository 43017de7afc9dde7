"""Who may ask: decided on the bytes of the request, before anything is read of its body; deny by default.

  Host      exactly one, and as a whole one of ours: a page whose name was rebound to here says its own
  Origin    none, or one of ours as a whole: `null` is nobody. Sec-Fetch-Site must not say cross-site
  path      exactly one of the routes, character for character: no second spelling, so no two readers
  token     on every route that is not public; compared as hashes, in constant time
  framing   one length or chunks, never both
  body      application/json, so that no form of another page can be sent here

Source: RFC 9112; CVE-2024-28224 (rebinding), CVE-2026-48746 (authorisation by a URL that Host is part of).
Not a protection from who has an account on this machine and may read its memory or its token.
Next:   connection.py, who takes too long; app.py.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from groundup.serve.errors import ApiError

LOCAL = ("localhost", "127.0.0.1", "[::1]")
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Guard:
    """What is allowed. `hosts` are whole Host headers, in lower case."""

    hosts: frozenset[str]
    public: frozenset[bytes]
    token_hash: bytes | None = None  # None: nobody is asked for a token
    origins: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        ours = {f"{scheme}://{host}" for scheme in ("http", "https") for host in self.hosts}
        object.__setattr__(self, "origins", frozenset(ours))

    @classmethod
    def of(cls, port: int, *, token: str, public: Iterable[bytes], hosts: Iterable[str] = ()) -> Guard:
        """For a server on that port: this machine's own names, and `hosts`, each with the port it has."""
        local = {f"{name}:{port}" for name in LOCAL} | (set(LOCAL) if port == 80 else set())
        digest = hashlib.sha256(token.encode()).digest() if token else None
        return cls(frozenset(local | {host.lower() for host in hosts}), frozenset(public), digest)

    def check(self, scope: dict[str, Any]) -> None:
        """Raises ApiError for a request that must not be answered."""
        headers: Headers = scope["headers"]
        self._check_framing(scope, headers)
        self._check_place(scope, headers)
        if self.token_hash is not None and scope["raw_path"] not in self.public:
            self._check_token(headers)
        if scope["method"] == "POST":
            kind = _all(headers, b"content-type")
            if len(kind) != 1 or not re.fullmatch(r"application/json(; ?charset=utf-8)?", kind[0].lower()):
                raise ApiError(415, "Send Content-Type: application/json.")

    def _check_framing(self, scope: dict[str, Any], headers: Headers) -> None:
        if scope["http_version"] not in ("1.0", "1.1"):
            raise ApiError(400, "Speak HTTP/1.1.")
        lengths, codings = _all(headers, b"content-length"), _all(headers, b"transfer-encoding")
        if len(lengths) + len(codings) > 1 or any(coding.lower() != "chunked" for coding in codings):
            raise ApiError(400, "Send one Content-Length, or Transfer-Encoding: chunked, and not both.")

    def _check_place(self, scope: dict[str, Any], headers: Headers) -> None:
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise ApiError(
                403, "This Host is not served here. Whoever runs the server can allow it: --allow-host."
            )
        origins = _all(headers, b"origin")
        if len(origins) > 1 or any(origin not in self.origins for origin in origins):
            raise ApiError(403, "Pages of this Origin may not ask here.")
        sites = _all(headers, b"sec-fetch-site")
        opens_page = scope["raw_path"] in self.public and scope["method"] == "GET"
        if not opens_page and any(site not in ("same-origin", "none") for site in sites):
            raise ApiError(403, "Pages of other sites may not ask here.")

    def _check_token(self, headers: Headers) -> None:
        given = _all(headers, b"authorization")
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        digest = hashlib.sha256(token.encode("latin-1")).digest()
        right = hmac.compare_digest(digest, self.token_hash or b"")
        if not right or scheme.lower() != "bearer":
            raise ApiError(
                401, "Send the server's token: Authorization: Bearer TOKEN.", code="invalid_api_key"
            )


def _all(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]
