"""Ask the package index that pip is configured with where a file is, and download that file.

pip itself would do, but for a source distribution `pip download` runs the package's set-up script to learn
its metadata, and groundup runs nothing that it fetched. The protocol is small: GET <index>/<package>/ answers
a list of files, as JSON (PEP 691) or as a page of links (PEP 503); a `find-links` folder is just a folder.
pip's configuration is read with `pip config list`, and where that names no index, pip's own default is taken
from its `--help`, so no registry is written down here.

Does not: keyring, netrc or client certificates. A password in the index URL works.
Next:    fetch.py, which checks what comes back.
"""

import ast
import base64
import html.parser
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from groundup.base.log import Progress

SECONDS = 30  # without a byte for this long, a connection counts as dead
JSON_FIRST = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
PIECE = 1 << 16


class Unreachable(Exception):
    """No place that was asked had the file, with what each of them said."""


@dataclass(frozen=True)
class PipConfig:
    """Where packages come from. `indexes` are asked in turn; an empty one stands for pip's default."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    certificates: str | None = None
    proxy: str | None = None


def pip_config() -> PipConfig:
    """pip's own answer: its files and PIP_* variables, in its order of precedence."""
    return parse_config(_pip("config", "list"))


def parse_config(listed: str) -> PipConfig:
    """What `pip config list` printed.

    >>> parse_config("global.index-url='https://a'\\n:env:.index-url='https://b'").indexes
    ('https://b',)
    """
    settings: dict[str, str] = {}
    for scope in ("global", "download", ":env:"):  # later ones win
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{scope}."):
                settings[key[len(scope) + 1 :]] = str(ast.literal_eval(value))
    extra = settings.get("extra-index-url", "").split()
    no_index = settings.get("no-index", "").lower() in ("1", "true", "yes", "on")
    return PipConfig(
        indexes=() if no_index else (settings.get("index-url", ""), *extra),
        find_links=tuple(settings.get("find-links", "").split()),
        certificates=settings.get("cert"),
        proxy=settings.get("proxy"),
    )


def default_index() -> str:
    """The index that pip uses when nothing is configured, as its help text states it."""
    found = re.search(
        r"Base URL of the Python Package Index \(default\s+(\S+?)\)", _pip("download", "--help")
    )
    if not found:
        raise Unreachable(
            "pip's help does not name its default index; set one: pip config set global.index-url URL"
        )
    return found[1]


def find_file(package: str, file_name: str, config: PipConfig) -> str:
    """The URL of one file of a package, from the first place that lists it.

    Raises Unreachable with what every place said.
    """
    said: list[str] = []
    normal = re.sub(r"[-_.]+", "-", package).lower()  # PEP 503
    for place in config.find_links:
        folder = _as_folder(place)
        if folder is not None and (folder / file_name).is_file():
            return (folder / file_name).resolve().as_uri()
    pages = [f"{(index or default_index()).rstrip('/')}/{normal}/" for index in config.indexes]
    for page in pages + [place for place in config.find_links if _as_folder(place) is None]:
        try:
            for name, url in _listing(page, config):
                if name == file_name:
                    return url
            said.append(f"{_without_password(page)} does not list {file_name}")
        except (OSError, HTTPException, ValueError) as error:
            said.append(f"{_without_password(page)}: {getattr(error, 'reason', error)}")
    raise Unreachable("; ".join(said) or f"no index is configured and no find-links folder has {file_name}")


def download(url: str, to: Path, *, size: int, label: str, config: PipConfig) -> None:
    """Write what is at `url` to a file, with a progress bar. Raises Unreachable.

    Stops at twice the expected size (bytes): whatever that is, it is not the pinned file.
    """
    try:
        with _open(url, config) as response, open(to, "wb") as file, Progress(size, label, "B") as progress:
            got = 0
            while (piece := response.read(PIECE)) and got <= 2 * size:
                file.write(piece)
                got += len(piece)
                progress.advance(len(piece))
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException, ssl.SSLError) as error:
        raise Unreachable(f"{_without_password(url)}: {getattr(error, 'reason', error)}") from error


def _listing(page: str, config: PipConfig) -> Iterator[tuple[str, str]]:
    """(file name, absolute URL) of everything that an index page lists."""
    folder = _as_folder(page)
    if (
        folder is not None
    ):  # a mirror on disk: a folder with index.html, as `pip --index-url file:///...` reads it
        page = (folder / "index.html").as_uri()
    with _open(page, config, accept=JSON_FIRST) as response:
        content, base = response.read(), response.url
        is_json = "json" in (response.headers.get("Content-Type") or "")
    if is_json:
        for file in json.loads(content)["files"]:
            yield file["filename"], urllib.parse.urljoin(base, file["url"])
    else:
        links = _Links()
        links.feed(content.decode(errors="replace"))
        for link in links.found:
            url = urllib.parse.urldefrag(urllib.parse.urljoin(base, link)).url
            yield urllib.parse.unquote(url.rsplit("/", 1)[-1]), url


class _Links(html.parser.HTMLParser):
    """The href of every <a> of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (link := dict(attrs).get("href")):
            self.found.append(link)


def _open(url: str, config: PipConfig, accept: str = "*/*") -> Any:
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(
        _without_password(url), headers={"Accept": accept, "User-Agent": "groundup"}
    )
    if parts.username:
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(secret.encode()).decode()
        )
    context = ssl.create_default_context(cafile=config.certificates)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if config.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": config.proxy, "https": config.proxy}))
    return urllib.request.build_opener(*handlers).open(request, timeout=SECONDS)


def _without_password(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _as_folder(place: str) -> Path | None:
    """The folder that a path or file: URL names, or None if it names something else."""
    if place.startswith("file:"):
        place = urllib.request.url2pathname(urllib.parse.urlsplit(place).path)
    elif "://" in place:
        return None
    folder = Path(place).expanduser()
    return folder if folder.is_dir() else None


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    # Wide, so that help text is not broken inside a URL.
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "1000"}
    )
    if ran.returncode:
        raise Unreachable(f"`python -m pip {' '.join(arguments)}` failed: {ran.stderr.strip()[-300:]}")
    return ran.stdout
