"""The VS Code extension: type-checked, packaged, and driven in a real VS Code in a browser."""

import json
import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.editors.conftest import ARTEFACTS, BASKET, MAIN, PRICES
from tests.e2e.editors.parts import EXTENSION
from tests.e2e.editors.vscode import (
    PROGRAM,
    ROWS,
    TRUSTING,
    Browser,
    CodeServer,
    Window,
    package_extension,
)
from tools.settings_reference import write_configuration
from tools.terminal import wait_for
from zeta_context.evals.scenario import texts_before
from zeta_context.evals.scenario_files import read_scenarios

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LAST_ROW = len(ROWS) - 1
RENAMED = {row: ROWS[row].replace("warn", "warning") for row in (6, 8, 10, 12, LAST_ROW)}
Picture = Callable[..., None]


@pytest.fixture(scope="module")
def package() -> Path:
    """The extension as `vsce` packages it, which type-checks and bundles it first."""
    return package_extension()


@pytest.fixture(scope="module")
def server(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    started = CodeServer(package, tmp_path_factory.mktemp("code"), TRUSTING)
    yield started
    started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    started = Browser()
    yield started
    started.close()


@pytest.fixture
def code(browser: Browser, server: CodeServer, project: Path) -> Iterator[Window]:
    window = Window(browser, server, project)
    yield window
    window.leave()


@pytest.fixture
def picture(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Picture]:
    """Keeps a picture of the window as an artefact of the test; another one when that ends."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def take(when: str = "") -> None:
        browser.do("screenshot", path=str(ARTEFACTS / f"vscode-{request.node.name}{when}.png"))

    yield take
    take("-end")


def test_the_settings_are_those_of_the_library() -> None:
    manifest = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    assert manifest["contributes"]["configuration"] == write_configuration()


def test_the_extension_type_checks_and_is_packaged(package: Path) -> None:
    names = zipfile.ZipFile(package).namelist()
    assert "extension/dist/extension.js" in names
    assert "extension/package.json" in names
    assert not any("node_modules" in name or name.endswith(".ts") for name in names)


def test_a_prediction_appears_is_gone_to_accepted_and_undone_in_one_step(
    code: Window, picture: Picture
) -> None:
    code.rename_twice()
    before = code.save()
    assert "→ logger.warning('𝒳 é 2', extra=data)" in code.behind()
    # Nothing of the text is moved: every row is where it was, and reads as it did.
    assert code.rows() == {row: text for row, text in enumerate(before) if row in code.rows()}
    picture()
    code.press("Alt+y")
    wait_for(lambda: code.cursor() == (10, ROWS[10].index("warn")))
    assert code.row(10) == ROWS[10]
    code.press("Alt+y")
    wait_for(lambda: code.reads(10, RENAMED[10]))
    after = code.save()
    assert after == [*before[:10], RENAMED[10], *before[11:]]
    assert wait_for(lambda: code.counts().get("accepted")) == 1
    code.press("Control+z")
    wait_for(lambda: code.reads(10, ROWS[10]))
    assert code.save() == before
    code.press("Control+Shift+z")
    wait_for(lambda: code.reads(10, RENAMED[10]))
    assert code.save() == after
    assert code.messages() == []


def test_a_far_prediction_is_told_and_gone_to(code: Window, picture: Picture) -> None:
    code.rename_twice()
    for row in (10, 12):
        code.take(row)
        wait_for(code.has_prediction)
    wait_for(lambda: f"↓ line {LAST_ROW + 1}" in code.behind())
    assert LAST_ROW not in code.rows()
    picture()
    code.press("Alt+y")
    wait_for(lambda: code.is_at(LAST_ROW))
    wait_for(lambda: "→ logger.warning('ü', extra=data)" in code.behind())
    assert code.row(LAST_ROW) == ROWS[LAST_ROW]
    code.press("Alt+y")
    wait_for(lambda: code.reads(LAST_ROW, RENAMED[LAST_ROW]))
    assert code.save() == [RENAMED.get(row, text) for row, text in enumerate(ROWS)]
    assert wait_for(lambda: code.counts().get("accepted") == 3)


def test_a_rejected_prediction_stays_away(code: Window, picture: Picture) -> None:
    code.rename_twice()
    code.press("Alt+n")
    wait_for(lambda: "→" not in code.behind())
    assert wait_for(lambda: code.counts().get("rejected")) == 1
    code.run("Zeta: Predict Now")
    code.go_to(10, 4)
    time.sleep(1)
    assert "é 2'" not in code.behind()
    code.press("Alt+y")
    time.sleep(0.3)
    assert code.row(10) == ROWS[10]


def test_text_at_the_cursor_is_the_editors_own_ghost_text(code: Window, picture: Picture) -> None:
    for row in (6, 8):
        code.go_to(row, 0)
        code.press("End")
        code.type("  # 𝒳ü")
        code.press("Escape")
        time.sleep(0.4)
    before = code.save()
    wait_for(code.has_prediction)
    code.press("Alt+y")
    wait_for(lambda: code.cursor()[0] > 8)
    row, _ = code.cursor()
    wait_for(lambda: code.ghost() == "  # 𝒳ü")
    assert "# 𝒳ü" not in code.behind()
    picture()
    code.press("Tab")
    wait_for(lambda: code.reads(row, ROWS[row] + "  # 𝒳ü"))
    assert wait_for(lambda: code.counts().get("accepted")) == 1
    code.press("Control+z")
    wait_for(lambda: code.reads(row, ROWS[row]))
    assert code.save() == before


def test_the_completion_menu_goes_first(code: Window, picture: Picture) -> None:
    code.rename_twice()
    code.go_to(9, 0)
    code.press("End", "Enter")
    code.type("logg")
    code.press("Control+Space")
    wait_for(code.has_menu)
    picture()
    text = code.rows()
    code.press("Alt+y")
    time.sleep(0.5)
    assert code.has_menu()
    assert code.rows() == text
    code.press("Enter")
    wait_for(lambda: not code.has_menu())
    assert code.row(10) == "    logger"
    code.press("Control+z", "Escape")
    wait_for(code.has_prediction)


def test_a_word_at_a_time_keeps_what_is_left(code: Window, picture: Picture) -> None:
    code.rename_twice("opt.warning")
    code.press("Alt+w")
    wait_for(lambda: code.is_at(10))
    code.press("Alt+w")
    wait_for(lambda: code.reads(10, ROWS[10].replace("warn", "opt")))
    assert wait_for(lambda: code.counts().get("partially_accepted")) == 1
    wait_for(code.has_prediction)
    code.press("Alt+e")
    wait_for(lambda: code.reads(10, ROWS[10].replace("warn", "opt.warning")))
    code.press("Control+z")
    wait_for(lambda: code.reads(10, ROWS[10].replace("warn", "opt")))


def test_tab_does_what_it_did_while_nothing_is_predicted(
    browser: Browser, server: CodeServer, project: Path
) -> None:
    (project / ".vscode").mkdir()
    (project / ".vscode" / "settings.json").write_text('{"zetaContext.tab": true}')
    code = Window(browser, server, project)
    code.go_to(0, 0)
    code.press("Tab")
    wait_for(lambda: code.reads(0, "    " + ROWS[0]))
    code.press("Control+z")
    code.rename_twice()
    code.press("Tab")
    wait_for(lambda: code.is_at(10))
    code.press("Tab")
    wait_for(lambda: code.reads(10, RENAMED[10]))
    code.leave()


def test_a_killed_agent_is_there_again_without_a_word(code: Window, picture: Picture) -> None:
    os.kill(code.agent, signal.SIGKILL)
    code.next_agent(code.agent)
    code.rename_twice()
    code.press("Alt+y", "Alt+y")
    wait_for(lambda: code.reads(10, RENAMED[10]))
    assert wait_for(lambda: code.counts().get("accepted")) == 1
    assert code.messages() == []


def test_a_rename_goes_on_in_a_file_that_was_not_open(
    browser: Browser, server: CodeServer, project: Path, picture: Picture
) -> None:
    if not PROGRAM.with_name("ty").exists():
        pytest.skip("ty is not installed")
    (project / "prices.py").write_text(PRICES)
    (project / "basket.py").write_text(BASKET)
    config = server.home / "XDG_CONFIG_HOME" / "zeta-context" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[context]\ndefinitions = true\n")
    try:
        code = Window(browser, server, project)
    finally:
        config.unlink()
    code.open("prices.py")
    code.go_to(0, 4)
    time.sleep(2)  # the server reads the project, and is asked where the name is used
    code.press("ArrowRight", "ArrowLeft")
    time.sleep(1)
    code.go_to(0, 9)
    code.press(*["Backspace"] * 5)
    code.type("amount")
    code.press("Escape", "ArrowDown")
    wait_for(code.has_prediction)
    code.press("Alt+y", "Alt+y")
    wait_for(lambda: code.reads(4, "print(amount([1]))"))
    told = "→ `total` is called `amount` now: place 2 of 3, in basket.py:1"
    wait_for(lambda: told in code.behind())
    picture()
    code.press("Alt+y")
    wait_for(lambda: code.reads(0, BASKET.splitlines()[0]))
    assert code.cursor() == (0, BASKET.index("total"))
    for row in (0, 4):
        wait_for(code.has_prediction)
        if code.cursor()[0] != row:
            code.press("Alt+y")
            wait_for(partial(code.is_at, row))
        code.press("Alt+y")
        after = BASKET.splitlines()[row].replace("total", "amount")
        wait_for(partial(code.reads, row, after))
    code.leave()


def test_a_wrong_prediction_is_written_down_as_a_scenario(code: Window, picture: Picture) -> None:
    code.rename_twice()
    text = code.save()
    code.run("Zeta: Write Down a Wrong Prediction")
    (path,) = wait_for(lambda: list(code.server.home.rglob("wrong/*.md")))
    (told,) = wait_for(code.messages)
    assert told == f"Zeta: Written to {path}"
    picture()
    (scenario,) = read_scenarios(path)
    assert scenario.text.splitlines() == text
    assert scenario.rejected is not None
    assert "+    logger.warning('𝒳 é 2', extra=data)" in scenario.rejected
    assert texts_before(scenario)["main.py"] == MAIN


def test_the_agent_is_told_of_telemetry_and_trust_and_of_changes(
    package: Path, browser: Browser, project: Path, tmp_path: Path, picture: Picture
) -> None:
    server = CodeServer(package, tmp_path / "code")
    try:
        code = Window(browser, server, project)

        def told() -> str:
            code.open("main.py")
            code.run("Zeta: Show Status and Reasons")
            wait_for(lambda: code.row(0).startswith("protocol"))
            return code.row(1)

        assert told() == "telemetry off, workspace not trusted"
        code.set("telemetry.telemetryLevel", "all")
        wait_for(lambda: told() == "telemetry on, workspace not trusted")
        code.set("telemetry.telemetryLevel", "error")
        wait_for(lambda: told() == "telemetry off, workspace not trusted")
        code.run("Workspaces: Manage Workspace Trust")
        browser.do("click", selector=".workspace-trust-buttons-row .monaco-button")
        wait_for(lambda: told() == "telemetry off, workspace trusted")
        code.leave()
    finally:
        server.close()


def test_windows_and_server_quit_and_leave_no_process_behind(
    package: Path, browser: Browser, project: Path, tmp_path: Path
) -> None:
    server = CodeServer(package, tmp_path / "code", TRUSTING)
    try:
        code = Window(browser, server, project)
        assert Path(f"/proc/{code.agent}").exists()
        code.leave()
        wait_for(lambda: not Path(f"/proc/{code.agent}").exists())
        assert server.process.poll() is None
        server.stop()
        wait_for(lambda: not server.has_processes())
    finally:
        server.close()
