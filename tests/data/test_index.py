import pytest

from groundup.data.index import (
    PipConfig,
    Unreachable,
    default_index,
    download,
    find_file,
    parse_config,
    pip_config,
)
from tests.data.package_index import sdist

SDIST = "demo-1.0.tar.gz"


def config(*indexes: str, find_links: tuple[str, ...] = ()) -> PipConfig:
    return PipConfig(indexes, find_links)


@pytest.mark.parametrize("html", [False, True])
def test_a_file_is_found_and_downloaded_from_both_kinds_of_page(serve, tmp_path, html):
    index = serve({SDIST: sdist()}, html=html)
    url = find_file("Demo", SDIST, config(index.url + "/"))
    assert url == f"http://{index.host}/files/{SDIST}"
    download(url, tmp_path / "got", size=len(sdist()), label="demo", config=config())
    assert (tmp_path / "got").read_bytes() == sdist()


def test_a_password_in_the_address_is_sent_and_never_shown(serve):
    index = serve({SDIST: sdist()}, password="me:a b")
    assert find_file("demo", SDIST, config(f"http://me:a%20b@{index.host}/simple")).endswith(SDIST)
    with pytest.raises(Unreachable, match="Unauthorized") as refusal:
        find_file("demo", SDIST, config(f"http://me:wrong@{index.host}/simple"))
    assert "wrong" not in str(refusal.value)


def test_places_are_asked_in_turn_and_each_says_why_not(serve, tmp_path):
    empty, full = serve({}), serve({SDIST: sdist()})
    assert full.host in find_file("demo", SDIST, config(empty.url, full.url))
    with pytest.raises(Unreachable) as refusal:
        find_file("demo", SDIST, config(empty.url, "http://127.0.0.1:9/simple"))
    assert f"{empty.url}/demo/ does not list {SDIST}" in str(refusal.value)
    assert "refused" in str(refusal.value)
    with pytest.raises(Unreachable, match="no index is configured"):
        find_file("demo", SDIST, config(find_links=(str(tmp_path),)))


def test_folders_on_disk_serve_as_pip_reads_them(tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / SDIST).write_bytes(sdist())
    flat = find_file("demo", SDIST, config(find_links=(str(tmp_path / "flat"),)))
    assert flat == (tmp_path / "flat" / SDIST).as_uri()
    page = tmp_path / "simple/demo/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../flat/{SDIST}#sha256=00">{SDIST}</a>')
    mirrored = find_file("demo", SDIST, config((tmp_path / "simple").as_uri()))
    download(mirrored, tmp_path / "got", size=10, label="demo", config=config())
    assert (tmp_path / "got").read_bytes() == sdist()


def test_a_download_without_end_is_cut_off(serve, tmp_path):
    index = serve({"long": bytes(10 << 20)})
    download(f"http://{index.host}/files/long", tmp_path / "got", size=1000, label="demo", config=config())
    assert (tmp_path / "got").stat().st_size < 1 << 20


def test_pip_says_where_it_looks(clean_pip, monkeypatch, tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a.example/simple\ncert = /a.pem\nextra-index-url = https://b.example\n"
        "  https://c.example\n[download]\nproxy = proxy.example:80\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    clean_pip(find_links="/folder", cert="/b.pem")  # the environment overrides the file
    assert pip_config() == PipConfig(
        indexes=("https://a.example/simple", "https://b.example", "https://c.example"),
        find_links=("/folder",),
        certificates="/b.pem",
        proxy="proxy.example:80",
    )


def test_without_configuration_pips_own_default_is_asked(clean_pip):
    assert parse_config("").indexes == ("",)
    assert default_index().startswith("https://")
    assert parse_config("global.no-index='true'\nglobal.index-url='https://a'").indexes == ()
