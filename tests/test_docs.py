"""The documentation is true: its Python runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("benchmarks/*.md")]
#: Their Python needs Caffe2's runtime: tests/c2/test_caffe2_docs.py runs it.
CAFFE2_PAGES = ["docs/backend_c2.md"]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """(page and number, text) of every fenced block of LANGUAGE."""
    found = []
    for page in PAGES:
        for i, (kind, text) in enumerate(FENCE.findall(page.read_text())):
            if kind == language:
                found.append((f"{page.relative_to(ROOT)}#{i}", text))
    return found


HERE = [block for block in blocks("python") if block[0].partition("#")[0] not in CAFFE2_PAGES]


@pytest.mark.parametrize(("where", "code"), HERE, ids=lambda x: x.split("\n")[0][:40])
def test_every_python_block_runs(where, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{where}:\n{done.stderr}"


def test_the_listing_in_the_readme_is_the_one_that_its_program_prints(tmp_path):
    (_, code), *_ = blocks("python")
    (_, listing), *_ = blocks("text")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    for shown, printed in zip(listing.splitlines(), done.stdout.splitlines(), strict=True):
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        assert re.fullmatch(pattern, printed), f"{shown!r} is printed as {printed!r}"


def test_every_make_target_in_the_documentation_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for where, text in blocks("sh"):
        for target in re.findall(r"^make ([a-z0-9-]+)", text, re.MULTILINE):
            assert target in targets, f"{where}: make {target}"


def test_every_path_in_a_command_exists():
    for where, text in blocks("sh"):
        for path in re.findall(r"(?<![\w/.])((?:benchmarks|tests|tools|examples)/[\w./]+)", text):
            assert (ROOT / path).exists(), f"{where}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|%)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_exists(page):
    for path in re.findall(r"`((?:csrc|toffee|tests|proto|tools)/[\w./]+)`", page.read_text()):
        assert (ROOT / path).exists(), f"{page.name}: {path}"


# ---- images --------------------------------------------------------------------------------------

IMAGES = [
    (page, path)
    for page in PAGES
    for path in re.findall(r'(?:!\[[^]]*\]\(|src="|srcset=")([^)"]+\.png)', page.read_text())
]


@pytest.mark.parametrize(("page", "path"), IMAGES, ids=lambda x: Path(x).name)
def test_every_image_of_a_page_is_there_in_both_themes_and_not_large(page, path):
    light = page.parent / path.replace("-dark", "-light")
    dark = page.parent / path.replace("-dark", "-light").replace("-light", "-dark")
    assert light != dark
    papers = []
    for file in (light, dark):
        with Image.open(file) as image:
            image.verify()
        with Image.open(file) as image:
            assert image.format == "PNG" and 1200 <= image.width <= 1600
            papers.append(sum(image.convert("RGB").getpixel((2, 2))))
        assert file.stat().st_size <= 120_000
    assert papers[0] > 700 and papers[1] < 100, "light is dark, or dark is light"


def test_the_readme_shows_each_image_in_the_theme_of_the_reader_with_words_for_who_cannot_see_it():
    text = (ROOT / "README.md").read_text()
    pictures = re.findall(r"<picture>(.*?)</picture>", text, re.DOTALL)
    shown = []
    for picture in pictures:
        (dark,) = re.findall(r'prefers-color-scheme: dark\)" srcset="([^"]+)"', picture)
        ((light, alt),) = re.findall(r'<img src="([^"]+)"[^>]* alt="([^"]+)"', picture)
        assert dark == light.replace("-light.png", "-dark.png") and len(alt) > 40
        shown += [light, dark]
    there = {f"docs/images/{path.name}" for path in (ROOT / "docs" / "images").iterdir()}
    assert set(shown) == there and len(shown) == 8
