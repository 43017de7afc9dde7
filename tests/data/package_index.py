"""A real package index on 127.0.0.1 for the tests of fetch.py and index.py: real pip, no network."""

import base64
import functools
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from pathlib import Path

from groundup.data.sources import Source

SET_UP_SCRIPT = "open('i-was-run', 'w').close()\n"


@functools.cache  # an archive holds the time: made twice, it would have two hashes
def wheel(text: str = "hello", package: str = "demo") -> bytes:
    """A wheel that pip accepts, holding one text file."""
    buffer, info = io.BytesIO(), f"{package}-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(f"{package}/data/b.txt", text)
        zipped.writestr(f"{package}/data/a.txt", "first")
        zipped.writestr(f"{package}/code.py", "raise SystemExit('a fetched package was imported')")
        zipped.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        zipped.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@functools.cache
def sdist() -> bytes:
    """A source distribution whose set-up script leaves a mark when it runs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tarred:
        for name, text in (("demo-1.0/setup.py", SET_UP_SCRIPT), ("demo-1.0/data/a.txt", "from the sdist")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tarred.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def pinned(kind: str, content: bytes, **changed) -> Source:
    """A source of that kind which expects exactly this content."""
    archive = {"wheel": "demo-1.0-py3-none-any.whl", "sdist": "demo-1.0.tar.gz", "file": "demo.txt"}[kind]
    members = {"wheel": ("demo/data/*.txt",), "sdist": ("demo-1.0/data/*.txt",), "file": ()}[kind]
    fields = {
        "name": "demo",
        "what": "a demonstration",
        "kind": kind,
        "licence": "none",
        "licence_read": True,
        "licence_where": "tests",
        "default": False,
        "package": "demo",
        "version": "1.0",
        "archive": archive,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "members": members,
    }
    return Source(**{**fields, **changed})


class Index:
    """An index that serves `files` of the package `demo`, as JSON or HTML, perhaps behind a password."""

    def __init__(self, files: dict[str, bytes], *, html: bool = False, password: str = "") -> None:
        self.files, self.html, self.requests = files, html, []
        self.expects = "Basic " + base64.b64encode(password.encode()).decode() if password else None
        handler = type("Handler", (_Handler,), {"index": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/simple"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    index: Index

    def do_GET(self) -> None:
        index = self.index
        index.requests.append(self.path)
        name = Path(self.path).name
        if index.expects and self.headers.get("Authorization") != index.expects:
            self._answer(401, "text/plain", b"who are you?")
        elif self.path == "/simple/demo/" and index.html:
            links = "".join(f'<a href="../../files/{name}#sha256=0">{name}</a>' for name in index.files)
            self._answer(200, "text/html", f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        elif self.path == "/simple/demo/":
            files = [{"filename": name, "url": f"/files/{name}", "hashes": {}} for name in index.files]
            page = {"meta": {"api-version": "1.0"}, "name": "demo", "files": files}
            self._answer(200, "application/vnd.pypi.simple.v1+json", json.dumps(page).encode())
        elif self.path.startswith("/files/") and name in index.files:
            self._answer(200, "application/octet-stream", index.files[name])
        else:
            self._answer(404, "text/plain", b"no such thing")

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        """Nothing: the tests read `index.requests`."""
