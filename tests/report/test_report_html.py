"""The page: whole, alone, true to its data."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from report_samples import sample_report

from ampc.report import html
from ampc.report.data import Headline, ReportData, Section
from ampc.report.html import render, write_report
from ampc.report.style import number, quantity
from ampc.report.video import RenderingUnavailableError
from ampc.robots import Robot

SECTIONS = get_args(Section)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what a browser would fetch, and checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "poster", "srcset", "data"):
                self.sources.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(autouse=True)
def no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    """The video has tests of its own; here it is a few bytes."""
    monkeypatch.setattr(html, "film", lambda *_: b"mp4")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures too have tests of their own, and take most of the time."""
    for name in ("error_over_time", "workspace", "torques", "latency", "training"):
        monkeypatch.setattr(html.figures, name, lambda *_: "<svg/>")


@pytest.fixture(scope="module")
def data(rigid_arm: Robot) -> ReportData:
    return sample_report(rigid_arm, tasks=40)


def test_page_needs_nothing_else(data: ReportData) -> None:
    text = render(data)
    page = Page(text)
    assert page.sources
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert "script" not in page.tags


@pytest.mark.usefixtures("no_figures")
def test_page_has_every_section(data: ReportData) -> None:
    page = Page(render(data))
    assert [name for name in page.ids if name in SECTIONS] == [
        "verdicts",
        "comparison",
        "errors",
        "workspace",
        "video",
        "torques",
        "latency",
        "training",
        "dataset",
        "ik",
    ]
    assert {source[1:] for source in page.sources if source.startswith("#")} == set(SECTIONS)
    assert page.tags.count("video") == html.MOST_VIDEOS
    assert page.tags.count("img") == 5


@pytest.mark.usefixtures("no_figures")
def test_numbers_are_those_of_the_data(data: ReportData) -> None:
    text = Page(render(data)).text
    for headline in data.headlines:
        assert headline.value in text
    for verdict in data.verdicts or ():
        assert verdict.measured in text
    for table in data.comparison or ():
        for row in table.rows:
            for value, column in zip(row, table.columns, strict=True):
                if isinstance(value, float):
                    assert " ".join(number(value, column.digits).split()) in text
    assert "2 of 3 criteria met; 1 not measured" in text


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("section", SECTIONS)
def test_missing_section_says_why(data: ReportData, section: Section) -> None:
    page = Page(render(dataclasses.replace(data, missing={section: "It was <not> run."})))
    assert section in page.ids
    assert "It was <not> run." in page.text


@pytest.mark.usefixtures("no_figures")
def test_report_of_nothing(data: ReportData) -> None:
    empty = ReportData("run", "Nothing was run.", (), "a", "b", ("a", "b"), 0.05)
    page = Page(render(empty))
    assert set(SECTIONS) <= set(page.ids)
    assert page.text.count(html.NOT_RECORDED) == len(SECTIONS)


@pytest.mark.usefixtures("no_figures")
def test_names_of_users_are_escaped(data: ReportData) -> None:
    evil = '<script>alert("1")</script>'
    assert data.comparison
    table = dataclasses.replace(data.comparison[0], title=evil)
    hostile = dataclasses.replace(
        data,
        title=evil,
        summary=evil,
        facts=((evil, evil),),
        headlines=(Headline(evil, evil, evil),),
        comparison=(table,),
        missing={"video": evil},
    )
    page = Page(render(hostile))
    assert "script" not in page.tags
    assert page.text.count(evil) >= 7


def test_names_with_markup_in_figures(data: ReportData) -> None:
    assert data.errors
    name = "a & b <c> $x_1$"
    curve = dataclasses.replace(data.errors[0], errors={name: data.errors[0].errors[data.expert]})
    times = {name: np.array([1e-5, 2e-5])}
    who = {"expert": name, "policy": name, "controllers": (name,)}
    render(dataclasses.replace(data, errors=(curve,), step_times=times, traces=None, training=None, **who))


@pytest.mark.usefixtures("no_figures")
def test_without_opengl_the_page_says_what_to_install(
    data: ReportData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise RenderingUnavailableError("egl: no library")

    monkeypatch.setattr(html, "film", fail)
    page = Page(render(data))
    assert "egl: no library" in page.text
    assert "libegl1" in page.text
    assert "libosmesa6" in page.text
    assert "video" not in page.tags
    assert page.tags.count("img") == 5


@pytest.mark.usefixtures("no_figures")
def test_same_data_same_page(data: ReportData) -> None:
    assert render(data) == render(data)


@pytest.mark.usefixtures("no_figures")
def test_write_report_makes_the_folder(data: ReportData, tmp_path: Path) -> None:
    path = write_report(data, tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == render(data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (1.0, "1.00 s"),
        (1.23e-5, "12.3 µs"),
        (4.56e-3, "4.56 ms"),
        (2e-12, "0.00200 ns"),
        (float("inf"), "∞"),
    ],
)
def test_quantity(value: float, text: str) -> None:
    assert quantity(value, "s") == text


def test_number() -> None:
    assert number(-1234.567, 1) == "−1\u202f234.6"
    assert number(float("inf"), 2) == "∞"
    assert number(float("nan"), 2) == "–"
