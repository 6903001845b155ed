"""The documentation is true: its blocks run, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import docs_blocks
import pytest
from docs_blocks import BLOCKS, DOCS, MARKS, PAGES, REASONS, ROOT
from PIL import Image

SESSIONS = docs_blocks.sessions(caffe2=False)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session[0].where)
def test_every_block_runs_and_prints_what_is_shown(session, tmp_path):
    docs_blocks.run(session, tmp_path)


def test_every_block_is_run_or_says_why_not():
    """If this fails: write <!-- test: … --> (.. test: … in .rst) before the block, with one of
    MARKS or "not run: REASON" of tests/docs_blocks.py."""
    for block in BLOCKS:
        assert block.language, f"{block.where}: a block without a language"
        for mark in block.marks:
            known = mark in MARKS or mark.removeprefix("not run: ") in REASONS
            known = known or re.fullmatch(r"file \w+\.py", mark)
            assert known, f"{block.where}: '{mark}' is no mark that tests/docs_blocks.py knows"
        said = block.runs or block.reason or block.marked("output") or block.is_help
        assert said, f"{block.where}: this {block.language} block is not run, and does not say why"


def test_blocks_of_the_shell_that_are_run_call_nothing_but_toffee():
    for block in BLOCKS:
        said = f"{block.where}: {block.unsafe} are not run in a test: mark the block"
        assert not (block.runs and block.unsafe), said


def test_a_block_that_would_change_the_machine_is_not_run(tmp_path):
    for text in ("touch here\n", "toffee --help && touch here\n", "pip install nothing\n"):
        block = docs_blocks.Block(ROOT / "README.md", 1, "sh", text)
        with pytest.raises(AssertionError, match="mark the block"):
            docs_blocks.run([block], tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_reason_for_not_running_a_block_is_one_that_a_block_has():
    assert {block.reason for block in BLOCKS} == {*REASONS, None}


def test_no_page_hides_code_from_these_tests():
    """Literal blocks of reStructuredText (a paragraph that ends in ::) and indented ones."""
    for page in DOCS.rglob("*.rst"):
        for line in page.read_text().splitlines():
            assert line.lstrip().startswith("..") or not line.endswith("::"), f"{page.name}: {line}"
    for page in PAGES:
        fences = page.read_text().count("\n```") if page.suffix == ".md" else 0
        assert fences % 2 == 0, f"{page.name}: a fence is not closed"


def test_a_listing_that_differs_is_seen():
    printed = "graph(%x : Float(2)) {\n  %1 = Relu(%x)\n  return (%1)\n}\n"
    assert docs_blocks.shows(printed, printed)
    assert docs_blocks.shows("graph(%x : …) {\n…\n}\n", printed)
    assert not docs_blocks.shows("graph(%y : …) {\n…\n}\n", printed)
    assert not docs_blocks.shows("graph(%x : …) {\n  %1 = Relu(%x)\n}\n", printed)


def test_a_block_that_fails_fails_the_test(tmp_path):
    block = docs_blocks.Block(ROOT / "README.md", 1, "python", "raise KeyError('here')\n")
    with pytest.raises(AssertionError, match="KeyError: 'here'"):
        docs_blocks.run([block], tmp_path)
    block = docs_blocks.Block(ROOT / "README.md", 1, "sh", "toffee check nothing.onnx\n")
    with pytest.raises(AssertionError, match=r"nothing\.onnx"):
        docs_blocks.run([block], tmp_path)


def test_every_make_target_in_the_documentation_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in BLOCKS:
        if block.language == "sh":
            for target in re.findall(r"^make ([a-z0-9-]+)", block.text, re.MULTILINE):
                assert target in targets, f"{block.where}: make {target}"


def test_every_path_in_a_command_exists():
    for block in BLOCKS:
        if block.language == "sh":
            found = re.findall(
                r"(?<![\w/.])((?:benchmarks|tests|tools|examples)/[\w./]+)", block.text
            )
            for path in found:
                assert (ROOT / path).exists(), f"{block.where}: {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    """In Markdown, as GitHub shows it. The site's references are checked as it is built."""
    text = page.read_text() if page.suffix == ".md" else ""
    for target in re.findall(r"\]\((?!https?:|%)([^)#]+)", text):
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
