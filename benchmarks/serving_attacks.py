"""Requests that a server must not answer: wrong Host, foreign Origin, no token, crooked paths, two lengths.

    passed = [attack.name for attack, reply in run(target) if attack.passed(reply)]        # should be []

Each is the whole of a request, byte for byte (raw_http.py), with one thing wrong. Five families:

  host      a page whose name was rebound to this address (DNS rebinding): everything is right but Host
  origin    a page elsewhere asks the visitor's browser to ask for it: Origin, Sec-Fetch-Site, a form's type
  auth      no token, a piece of it, two of them, or headers that a proxy might have believed
  path      no token, and a path that looks public to who checks and private to who serves
  framing   the right token, but a request that two servers would cut at different places

An attack has passed if the server answers it with a 2xx, or allows a foreign origin to read what it says.
Where the target asks for no token, auth and path attack nothing and are left out.

Source: RFC 9112 sections 3.2, 6.3, 11.2; Fetch, "CORS protocol"; the advisories that findings name
        (CVE-2024-28224 rebinding, CVE-2026-48746 authorisation by a URL made from Host).
Does not: probe how a server behaves otherwise: serving_probes.py.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.raw_http import Header, Reply, Target, exchange, request

EVIL = "evil.example"
Bytes = Callable[[Target], bytes]


@dataclass(frozen=True)
class Attack:
    """One request, and the family that it belongs to."""

    name: str
    family: str
    raw: Bytes
    needs_token: bool = False  # means nothing where the server asks for none

    def passed(self, reply: Reply) -> bool:
        """Did the server do what it was not allowed to?"""
        answered = any(200 <= status < 300 for status in reply.statuses)
        opened = re.search(rf"access-control-allow-origin: *(\*|null|[^\r\n]*{re.escape(EVIL)})", reply.head)
        return opened is not None if self.name.startswith("preflight") else answered or opened is not None


def attacks() -> list[Attack]:
    """All of them; the names are different."""
    return [*_host(), *_origin(), *_auth(), *_path(), *_framing()]


def run(target: Target, chosen: Iterable[Attack] | None = None, *, at_once: int = 8, patience: float = 2.0):
    """(attack, reply) for each that means something there, in order."""
    mine = [a for a in (attacks() if chosen is None else chosen) if target.token or not a.needs_token]
    with ThreadPoolExecutor(at_once) as pool:
        replies = pool.map(lambda a: exchange(target, a.raw(target), patience=patience), mine)
        return list(zip(mine, replies, strict=True))


def chat(target: Target, **fields: object) -> bytes:
    """The body of a chat completion of one token."""
    asked = {"model": target.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    return json.dumps(asked | fields).encode()


# ---- Host: the page's own name, where ours belongs ------------------------------------------------


def _host() -> Iterator[Attack]:
    for host in (
        EVIL, f"{EVIL}:PORT", f"localhost.{EVIL}", f"127.0.0.1.{EVIL}:PORT", f"{EVIL}.", f"localhost@{EVIL}",
        f"{EVIL}#localhost", f"{EVIL}?localhost", f"{EVIL}/localhost:PORT", f"localhost:PORT@{EVIL}",
        f"localhost, {EVIL}", f"{EVIL}, localhost", f"localhost {EVIL}", "2130706433", "0177.0.0.1", "0x7f.1",
        "127.1", "0.0.0.0:PORT", "[::ffff:127.0.0.1]:PORT", "127.0.0.2:PORT", "localhost:PORT:PORT",
        "localhost:99999", "localhost:", "localhost:-1", "localhost:PORTx", "xlocalhost:PORT", "localhostx",
        f"localhost:PORT\t{EVIL}", "local\x00host", "ｌocalhost".encode().decode("latin-1"), "*", "[::1", "",
        "127.0.0.1:PORT/healthz?", "127.0.0.1:PORT#", "127.0.0.1:PORT\\",
    ):  # fmt: skip
        yield Attack(f"host {host!a}", "host", _with_host(host))
    yield Attack("host missing", "host", lambda t: request(t, host=None))
    for name, hosts in {
        "host twice, right first": ("AUTHORITY", EVIL),
        "host twice, right last": (EVIL, "AUTHORITY"),
        "host twice, both right": ("AUTHORITY", "AUTHORITY"),
    }.items():
        yield Attack(name, "host", _headers([("Host", host) for host in hosts], host=None))
    yield Attack("host folded", "host", lambda t: _line(t, f"Host: {t.authority}\r\n {EVIL}"))
    yield Attack("host blank before colon", "host", lambda t: _line(t, f"Host : {t.authority}"))
    for name in (
        "X-Forwarded-Host",
        "X-Host",
        "X-Original-Host",
        "X-Forwarded-Server",
        "X-HTTP-Host-Override",
    ):
        yield Attack(f"host foreign, {name} ours", "host", _headers([(name, "AUTHORITY")], host=EVIL))
    yield Attack("host foreign, Forwarded ours", "host",
                 _headers([("Forwarded", "host=AUTHORITY")], host=EVIL))  # fmt: skip
    yield Attack("absolute target foreign", "host", _get(f"http://{EVIL}/v1/models"))
    yield Attack("absolute target ours, host foreign", "host",
                 lambda t: request(t, path=f"http://{t.authority}/v1/models", host=EVIL))  # fmt: skip
    yield Attack("host foreign, post", "host",
                 lambda t: request(t, method="POST", path="/v1/chat/completions", host=EVIL,
                                   body=chat(t)))  # fmt: skip


def _with_host(host: str) -> Bytes:
    def raw(t: Target) -> bytes:
        return request(t, host=None, headers=[("Host", host.replace("PORT", str(t.port)))])

    return raw


def _line(target: Target, line: str) -> bytes:
    """A request whose Host header is this text."""
    return request(target, host=None).replace(b"\r\n", f"\r\n{line}\r\n".encode("latin-1"), 1)


# ---- Origin: another page in the same browser -----------------------------------------------------


def _origin() -> Iterator[Attack]:
    for origin in (
        f"http://{EVIL}", f"https://{EVIL}", "null", f"http://localhost.{EVIL}", f"http://127.0.0.1.{EVIL}:PORT",
        "http://127.0.0.1:1", "http://localhost:1", f"http://127.0.0.1:PORT@{EVIL}", "file://",
        f"http://127.0.0.1:PORT.{EVIL}", f"http://{EVIL}#http://127.0.0.1:PORT", "ftp://127.0.0.1:PORT",
        f"http://{EVIL}?http://127.0.0.1:PORT", f"http://127.0.0.1:PORT http://{EVIL}", "*",
        f"http://{EVIL}, http://127.0.0.1:PORT", "chrome-extension://abcdefghijklmnop", "data:text/html,x",
        "http://127.0.0.1:PORT/", "http://127.0.0.1:PORTx", "http://x127.0.0.1:PORT", "http://2130706433:PORT",
    ):  # fmt: skip
        yield Attack(f"origin {origin}", "origin", _post([("Origin", origin)]))
    yield Attack("origin foreign, get", "origin", _headers([("Origin", f"http://{EVIL}")]))
    for name, pair in {
        "origin twice, right first": ("http://AUTHORITY", f"http://{EVIL}"),
        "origin twice, right last": (f"http://{EVIL}", "http://AUTHORITY"),
    }.items():
        yield Attack(name, "origin", _post([("Origin", origin) for origin in pair]))
    for site in ("cross-site", "same-site"):
        yield Attack(f"sec-fetch-site {site}", "origin", _post([("Sec-Fetch-Site", site)]))
    for kind in (
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
        "text/plain; application/json", "text/json", "application/jsonx", "application/json, text/plain",
    ):  # fmt: skip
        yield Attack(f"content-type {kind!r}", "origin", _post([("Content-Type", kind)]))
    for path in ("/v1/chat/completions", "/v1/models", "/healthz", "/metrics"):
        yield Attack(f"preflight {path}", "origin", _headers(
            [("Origin", f"http://{EVIL}"), ("Access-Control-Request-Method", "POST"),
             ("Access-Control-Request-Headers", "authorization,content-type"),
             ("Access-Control-Request-Private-Network", "true")], method="OPTIONS", path=path))  # fmt: skip


# ---- Auth: everything but the token ---------------------------------------------------------------


def _auth() -> Iterator[Attack]:
    endpoints = {"GET": ("/v1/models", "/metrics"), "POST": ("/v1/chat/completions", "/v1/completions")}
    for method, paths in endpoints.items():
        for path in paths:
            yield Attack(f"no token, {method} {path}", "auth", _asked(method, path), needs_token=True)
    for value in (
        "", "Bearer", "Bearer ", "Bearer null", "Bearer undefined", "Bearer *", "Bearer x", "Basic TOKEN",
        "TOKEN", "Token TOKEN", "Bearer TOKENx", "Bearer xTOKEN", "Bearer TOKEN TOKEN", "Bearer HALF",
        "Bearer SWAPPED", "Bearer TOKEN,", "Bearer 'TOKEN'", 'Bearer "TOKEN"', "Bearer TOKEN\x00",
        "Bearer \x00TOKEN", "Bearer TOKEN%00", "Bearer \xff\xfe", "Bearer " + "A" * 8000, "Bearer TOKEN;x",
        "BearerTOKEN", "Bearer:TOKEN", "Basic OlRPS0VO", "Digest username=x", "Bearer Bearer TOKEN",
    ):  # fmt: skip
        yield Attack(f"authorization {ascii(value)[:40]}", "auth",
                     _headers([("Authorization", value)], token=None), needs_token=True)  # fmt: skip
    for name, pair in {
        "token twice, right first": ("Bearer TOKEN", "Bearer x"),
        "token twice, right last": ("Bearer x", "Bearer TOKEN"),
    }.items():
        yield Attack(name, "auth", _headers([("Authorization", v) for v in pair], token=None),
                     needs_token=True)  # fmt: skip
    for name, value in {
        "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1",
        "X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz", "X-Forwarded-Prefix": "/healthz",
        "X-Forwarded-Uri": "/healthz", "X-Original-URI": "/healthz", "X-Remote-User": "admin",
        "X-HTTP-Method-Override": "OPTIONS", "Cookie": "token=x; api_key=x", "X-API-Key": "x",
        "Proxy-Authorization": "Bearer TOKEN", "X-Forwarded-Authorization": "Bearer TOKEN",
    }.items():  # fmt: skip
        yield Attack(f"no token, {name}", "auth", _headers([(name, value)], token=None),
                     needs_token=True)  # fmt: skip
    for query in ("token=TOKEN", "api_key=TOKEN", "access_token=TOKEN", "key=TOKEN"):
        yield Attack(f"token in the query, {query[:-6]}", "auth", _get(f"/v1/models?{query}", token=None),
                     needs_token=True)  # fmt: skip
    for method in ("HEAD", "TRACE", "PROPFIND", "GETX", "get", "PUT", "DELETE", "PATCH"):
        yield Attack(f"no token, {method}", "auth", _headers([], method=method, token=None),
                     needs_token=True)  # fmt: skip


# ---- Path: public to one reader, private to the other ---------------------------------------------


def _path() -> Iterator[Attack]:
    for path in (
        "//v1/models", "///v1/models", "/v1//models", "/./v1/models", "/v1/./models", "/v1/models/",
        "/V1/models", "/v1/Models", "/v1/models/.", "/v1/x/../models", "/v1/%2e%2e/v1/models",
        "/%2e/v1/models", "/%76%31/models", "/v1/%6dodels", "/v1%2fmodels", "/%2fv1/models",
        "/v1/models%2f", "/v1/models%20", "/v1/models%09", "/v1/models%00", "/v1/models%00/healthz",
        "/v1/models;x", "/v1/models;/healthz", "/v1;x/models", "/v1/models?/healthz",
        "/v1/models?x=/healthz", "/v1/models#/healthz", "/v1/models/healthz", "/v1/models/..;/healthz",
        "/healthz/../v1/models", "/healthz/%2e%2e/v1/models", "/healthz%2f../v1/models",
        "/healthz/..;/v1/models", "/healthz/..%2fv1/models", "/healthz/v1/models", "/healthz//v1/models",
        "/healthz%00/v1/models", "/healthz;/../v1/models", "/healthz\\..\\v1\\models", "\\v1\\models",
        "/v1\\models", "v1/models", "/healthz?/../../v1/models&x", "/%252e%252e/v1/models",
        "/v1/%c0%ae%c0%ae/v1/models", "/static/../v1/models", "/static/%2e%2e/v1/models",
        "/static/..%5cv1/models", "/../v1/models", "http://AUTHORITY/v1/models",
        "http://AUTHORITY/healthz/../v1/models", f"http://{EVIL}/v1/models", "http:/v1/models",
        "//AUTHORITY/v1/models", "http://AUTHORITY/healthz?/v1/models#/../v1/models", "/docs", "/redoc",
        "/openapi.json", "/metrics/", "//metrics", "/healthz/../metrics",
    ):  # fmt: skip
        # a path that is only another way to write /healthz is no attack
        if not path.startswith(("/healthz?", "http://AUTHORITY/healthz?")):
            yield Attack(f"path {path}", "path", _get(path, token=None), needs_token=True)
    for name, host in {"healthz?": "AUTHORITY/healthz?", "healthz#": "AUTHORITY/healthz#",
                       "@healthz": f"{EVIL}/healthz?@AUTHORITY"}.items():  # fmt: skip
        yield Attack(f"url made from host, {name}", "path",
                     _headers([("Host", host)], host=None, token=None), needs_token=True)  # fmt: skip
    for path in (
        "/static/../../../../../../etc/passwd", "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2f..%2f..%2f..%2fetc/passwd", "/static//etc/passwd", "/static/%00/etc/passwd",
        "/../../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "file:///etc/passwd",
    ):  # fmt: skip
        yield Attack(f"file {path}", "path", _get(path))


# ---- Framing: where does this request end? --------------------------------------------------------


def _framing() -> Iterator[Attack]:
    for name, headers in {
        "two lengths, short first": [("Content-Length", "2"), ("Content-Length", "LENGTH")],
        "two lengths, long first": [("Content-Length", "LENGTH"), ("Content-Length", "2")],
        "length and chunked": [("Content-Length", "LENGTH"), ("Transfer-Encoding", "chunked")],
        "chunked and length": [("Transfer-Encoding", "chunked"), ("Content-Length", "LENGTH")],
        "length with a sign": [("Content-Length", "+LENGTH")],
        "length negative": [("Content-Length", "-1")],
        "length in hexadecimal": [("Content-Length", "0x40")],
        "length as a list": [("Content-Length", "LENGTH, 2")],
        "length with a letter": [("Content-Length", "LENGTHx")],
        "length with a point": [("Content-Length", "LENGTH.0")],
        "length empty": [("Content-Length", "")],
        "length of 40 digits": [("Content-Length", "9" * 40)],
        "encoding unknown": [("Transfer-Encoding", "xchunked")],
        "encoding identity and chunked": [("Transfer-Encoding", "identity, chunked")],
        "encoding chunked and more": [("Transfer-Encoding", "chunked, gzip")],
        "encoding twice": [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        "encoding with a blank": [("Transfer-Encoding ", "chunked"), ("Content-Length", "LENGTH")],
        "encoding with a tab": [("Transfer-Encoding", "\x0bchunked")],
        "encoding quoted": [("Transfer-Encoding", '"chunked"')],
    }.items():  # fmt: skip
        yield Attack(f"framing: {name}", "framing", _framed(headers))
    for name, size in {"sign": b"+%x", "prefix": b"0x%x", "blank": b" %x ", "minus": b"-%x"}.items():
        yield Attack(f"framing: chunk size with {name}", "framing", _chunked(size))
    yield Attack("framing: chunk size of 20 digits", "framing", _chunked(b"f" * 20 + b"%x"))
    yield Attack("framing: a second request in the body", "framing", _smuggled)
    for name, head in {
        "header without a colon": b"GET /v1/models HTTP/1.1\r\nHost: AUTHORITY\r\nnonsense\r\n\r\n",
        "header with NUL": b"GET /v1/models HTTP/1.1\r\nHost: AUTHORITY\r\nX: a\x00b\r\n\r\n",
        "header name with a blank": b"GET /v1/models HTTP/1.1\r\nHost: AUTHORITY\r\nX y: z\r\n\r\n",
        "header name empty": b"GET /v1/models HTTP/1.1\r\nHost: AUTHORITY\r\n: z\r\n\r\n",
        "carriage return alone": b"GET /v1/models HTTP/1.1\rHost: AUTHORITY\r\r",
        "blank before the first header": b"GET /v1/models HTTP/1.1\r\n Host: AUTHORITY\r\n\r\n",
        "version 0.9": b"GET /v1/models\r\n",
        "version 2.0": b"GET /v1/models HTTP/2.0\r\nHost: AUTHORITY\r\n\r\n",
        "version 1.1x": b"GET /v1/models HTTP/1.1x\r\nHost: AUTHORITY\r\n\r\n",
        "target empty": b"GET  HTTP/1.1\r\nHost: AUTHORITY\r\n\r\n",
        "target with a blank": b"GET /v1/models /healthz HTTP/1.1\r\nHost: AUTHORITY\r\n\r\n",
        "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "tls hello": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
    }.items():  # fmt: skip
        yield Attack(f"framing: {name}", "framing", _raw(head))
    yield Attack("framing: 200 KB of one header", "framing", _headers([("X", "a" * 200_000)]))
    yield Attack("framing: 5,000 headers", "framing", _headers([(f"X-{n}", "a" * 20) for n in range(5_000)]))
    yield Attack("framing: a target of 200 KB", "framing", _get("/v1/models?" + "a" * 200_000))


def _framed(headers: list[Header]) -> Bytes:
    """A chat completion in one chunk, so that both readings of the body are there."""

    def raw(t: Target) -> bytes:
        body = chat(t)
        sized = [(name, value.replace("LENGTH", str(len(body)))) for name, value in headers]
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        encoded = any(name.strip() == "Transfer-Encoding" for name, _ in headers)
        return request(t, method="POST", path="/v1/chat/completions",
                       headers=[*sized, ("Content-Type", "application/json")]) + (
                           chunked if encoded else body)  # fmt: skip

    return raw


def _chunked(size: bytes) -> Bytes:
    def raw(t: Target) -> bytes:
        body = chat(t)
        head = request(t, method="POST", path="/v1/chat/completions",
                       headers=[("Transfer-Encoding", "chunked"),
                                ("Content-Type", "application/json")])  # fmt: skip
        return head + size % len(body) + b"\r\n" + body + b"\r\n0\r\n\r\n"

    return raw


def _smuggled(t: Target) -> bytes:
    """Ends after its first chunk for one reader, and holds a second, unauthorised request for the other."""
    inner = request(t, token=None if t.token else "", host=EVIL if not t.token else "")
    hidden = b"0\r\n\r\n" + inner
    return request(t, method="POST", path="/v1/nothing-here", headers=[
        ("Content-Length", str(len(hidden))), ("Transfer-Encoding", "chunked"),
        ("Content-Type", "application/json"), ("Connection", "keep-alive")]) + hidden  # fmt: skip


def _raw(head: bytes) -> Bytes:
    def raw(t: Target) -> bytes:
        token = f"\r\nAuthorization: Bearer {t.token}".encode() if t.token else b""
        return head.replace(b"AUTHORITY", t.authority.encode() + token, 1)

    return raw


# ---- Writing them -----------------------------------------------------------------------------------


def _filled(text: str, t: Target) -> str:
    half, swapped = t.token[: len(t.token) // 2], t.token.swapcase()
    for word, value in {"AUTHORITY": t.authority, "TOKEN": t.token, "HALF": half, "SWAPPED": swapped,
                        "PORT": str(t.port)}.items():  # fmt: skip
        text = text.replace(word, value)
    return text


def _headers(headers: list[Header], **how: str | None) -> Bytes:
    def raw(t: Target) -> bytes:
        return request(t, headers=[(name, _filled(value, t)) for name, value in headers], **how)  # type: ignore[arg-type]

    return raw


def _post(headers: list[Header]) -> Bytes:
    def raw(t: Target) -> bytes:
        return request(t, method="POST", path="/v1/chat/completions", body=chat(t),
                       headers=[(name, _filled(value, t)) for name, value in headers])  # fmt: skip

    return raw


def _get(path: str, *, token: str | None = "") -> Bytes:
    return lambda t: request(t, path=_filled(path, t), token=token)


def _asked(method: str, path: str) -> Bytes:
    return lambda t: request(t, method=method, path=path, token=None,
                             body=chat(t, prompt="hi") if method == "POST" else b"")  # fmt: skip
