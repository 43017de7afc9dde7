"""The page: small, from this server alone, and in a browser nothing that a model writes becomes a program."""

import re
import shutil

import pytest

from benchmarks.raw_http import exchange, request
from groundup.serve.page import HOME, files

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "```\n<svg onload=alert(1)>\n```",
    "![x](http://evil.example/x.png)",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "**<b onclick=alert(1)>x</b>**",
    "`<style>@import 'http://evil.example'</style>`",
    "# <a href=javascript:alert(1)>x</a>",
    "- <input autofocus onfocus=alert(1)>",
]


def test_the_page_is_small_and_has_no_inline_code(guarded):
    pages = files()
    assert set(pages) == {b"/", b"/chat.js", b"/markdown.js", b"/chat.css"}
    assert sum(len(content) for _, content in pages.values()) < 60_000
    assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|style=|https?://", pages[b"/"][1])
    for file in HOME.glob("*.js"):
        code = file.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?://", code
        )


def test_the_page_is_public_and_nothing_beside_it_is(guarded):
    for path in files():
        reply = exchange(guarded.target, request(guarded.target, path=path.decode(), token=None))
        assert reply.status == 200 and "script-src 'self'" in reply.head and "nosniff" in reply.head
    for path in ("/index.html", "/page/chat.js", "/chat.js/", "//chat.js", "/chat.js%00", "/../page.py"):
        assert exchange(guarded.target, request(guarded.target, path=path, token=None)).status == 401


def test_both_languages_have_the_same_words():
    code = (HOME / "chat.js").read_text(encoding="utf-8")
    english, chinese = re.findall(r"^  (?:en|zh): \{(.*?)\},$", code, flags=re.M | re.S)
    names = [set(re.findall(r"[\s{,]\"?([\w-]+)\"?: \"", " " + text)) for text in (english, chinese)]
    assert names[0] == names[1] and len(names[0]) > 15


@pytest.mark.slow
@pytest.mark.may_skip
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_in_a_browser(served, locale, monkeypatch, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("no chromium here")
    monkeypatch.setenv("HOME", str(tmp_path))
    dialogs, foreign, errors = [], [], []
    base = f"http://127.0.0.1:{served.target.port}"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(locale=locale)
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((base, "data:")) else None)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(base)
        page.fill("#text", "hello")
        page.press("#text", "Enter")
        page.wait_for_selector("article.assistant")
        page.wait_for_selector("#send:not([hidden])", timeout=60_000)
        assert page.locator("article").count() == 2
        assert page.inner_text("#send") == ("Send" if locale == "en-US" else "发送")
        page.reload()
        assert page.locator("article").count() == 2  # kept
        page.evaluate("document.getElementById('talk').replaceChildren()")
        for text in HOSTILE:
            page.evaluate(
                """async (text) => { const { render } = await import("/markdown.js");
                document.getElementById("talk").append(render(text, "copy")); }""",
                text,
            )
        page.wait_for_timeout(200)
        assert (
            page.locator("#talk script, #talk img, #talk iframe, #talk a, #talk svg, #talk input").count()
            == 0
        )
        browser.close()
    assert not dialogs and not foreign and not errors
