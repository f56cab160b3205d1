"""`zeta-context setup` and `uninstall`, in a home folder of their own."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.test_model import fake_gguf
from zeta_context.cli.main import cli
from zeta_context.cli.setup import record_path
from zeta_context.cli.setup.editors import EDITORS
from zeta_context.cli.setup.installing import BACKUP_SUFFIX, Record
from zeta_context.cli.setup.machine import Machine, propose_model
from zeta_context.cli.setup.model import propose, write_choice
from zeta_context.config_file import config_path
from zeta_context.runners.installed import import_model
from zeta_context.settings import load_settings

GB = 1_000_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a few editors' programs in the PATH, which do nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("nvim", "vim", "emacs", "hx"):
        program = programs / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(sys, "argv", [str(Path(sys.executable).with_name("zeta-context"))])
    return tmp_path


def run(*arguments: str, typed: str = "") -> str:
    done = CliRunner().invoke(cli, list(arguments), input=typed)
    assert done.exit_code == 0, done.output
    return done.output


def files(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and "XDG" not in str(path)
    }


def test_everything_that_is_set_up_is_taken_away_again(home: Path) -> None:
    (home / ".emacs.d").mkdir()
    (home / ".emacs.d" / "init.el").write_text("(setq x 1)")
    before = files(home)
    told = run("setup", "--yes")
    after = files(home)
    assert ".config/nvim/plugin/zeta_context.lua" in after
    assert (
        ".local/share/nvim/site/pack/zeta-context/start/zeta_context/lua/zeta_context/init.lua"
        in after
    )
    assert ".vim/pack/zeta-context/start/zeta_context/python3/zeta_vim.py" in after
    init = (home / ".emacs.d" / "init.el").read_text()
    assert init.startswith("(setq x 1)\n;; BEGIN zeta-context\n")
    assert (home / ".emacs.d" / f"init.el{BACKUP_SUFFIX}").read_text() == "(setq x 1)"
    assert "[language-server.zeta-context]" in told
    told = run("uninstall", "--yes")
    assert files(home) == before
    assert not record_path().exists()
    assert "uninstall zeta-context" in told


def test_setting_up_twice_is_the_same_as_once(home: Path) -> None:
    run("setup", "--editor", "emacs", "--editor", "neovim")
    once = files(home)
    run("setup", "--editor", "emacs", "--editor", "neovim")
    assert files(home) == once
    run("uninstall", "--yes")
    assert not any("zeta" in name for name in files(home))


def test_what_the_user_changed_since_is_kept(home: Path) -> None:
    (home / ".emacs.d").mkdir()
    init = home / ".emacs.d" / "init.el"
    init.write_text("(setq x 1)\n")
    run("setup", "--yes")
    init.write_text(init.read_text() + "(setq y 2)\n")
    settings = home / ".config/nvim/plugin/zeta_context.lua"
    settings.write_text(settings.read_text() + "-- mine\n")
    told = run("uninstall", "--yes")
    assert init.read_text() == "(setq x 1)\n(setq y 2)\n"
    assert settings.exists()
    assert "you have changed it" in told


def test_a_file_of_somebody_else_is_not_overwritten(home: Path) -> None:
    foreign = home / ".config/nvim/plugin/zeta_context.lua"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("-- not ours\n")
    done = CliRunner().invoke(cli, ["setup", "--editor", "neovim"])
    assert done.exit_code == 2
    assert "not ours" in done.output + str(done.stderr)
    assert foreign.read_text() == "-- not ours\n"


def test_two_questions_at_most_and_none_about_data(home: Path) -> None:
    told = run("setup", typed="neovim\nn\n")
    assert told.count("?") <= 2
    assert "collect" not in told
    assert "nvim" in " ".join(files(home))
    assert ".vim/pack" not in " ".join(files(home))


def test_where_nobody_can_be_asked_it_is_said_what_to_write_instead(home: Path) -> None:
    done = CliRunner().invoke(cli, ["setup"], input="")
    assert done.exit_code == 2
    assert "--yes" in done.output + str(done.stderr)
    assert not any("zeta" in name for name in files(home))


def test_the_lines_are_printed_without_writing_anything(home: Path) -> None:
    before = files(home)
    told = run("setup", "--print", *(f"--editor={one.name}" for one in EDITORS))
    assert files(home) == before
    for editor in EDITORS:
        assert editor.title in told


def test_what_was_found_is_told_as_json(home: Path) -> None:
    found = json.loads(run("setup", "--json"))
    assert found["editors"] == ["neovim", "vim", "emacs", "helix"]
    assert found["memory_bytes"] > 0


def test_a_model_is_proposed_that_the_machine_can_bear() -> None:
    small = propose_model(Machine(processors=2, memory_bytes=2 * GB))
    assert small is None or small.memory_bytes <= 0.4 * 2 * GB
    large = propose_model(Machine(processors=8, memory_bytes=64 * GB, gpu="x", gpu_bytes=24 * GB))
    assert large is not None
    assert large.memory_bytes <= 24 * GB
    quick = propose_model(Machine(processors=8, memory_bytes=64 * GB))
    assert quick is not None
    assert quick.parameters <= 1_000_000_000


@pytest.fixture
def imported(home: Path) -> str:
    """A model of the user's own, a file in which there is nothing to run."""
    return import_model(fake_gguf(home / "own.gguf"), format_name="zeta1").name


def test_an_installed_model_is_proposed_before_one_to_fetch(imported: str) -> None:
    proposal = propose(Machine(processors=2, memory_bytes=16 * GB))
    assert proposal is not None
    assert (proposal.name, proposal.is_ready) == (imported, True)
    assert f"{imported}, 0.0 GB, installed" in run("setup", "--editor", "neovim")


def test_without_its_libraries_no_model_is_asked_about(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeta_context.runners.opening.missing_libraries", lambda: ("torch",))
    told = run("setup", typed="neovim\n")
    assert told.count("?") == 1
    assert "[local]" in " ".join(told.split())


def test_a_model_that_does_not_work_is_not_written_down(imported: str, home: Path) -> None:
    done = CliRunner().invoke(cli, ["setup", "--model", imported])
    assert done.exit_code == 1
    assert "it is not made use of" in done.output
    assert not config_path().exists()
    assert not any(".config/nvim" in name for name in files(home))


def test_an_unknown_model_is_a_usage_error(home: Path) -> None:
    done = CliRunner().invoke(cli, ["setup", "--model", "nobody-knows"])
    assert done.exit_code == 2
    assert "zeta-context model list" in done.output + str(done.stderr)


def test_a_model_of_use_is_written_down_and_taken_out_again(home: Path) -> None:
    path = config_path()
    path.parent.mkdir(parents=True)
    path.write_text("[predict]\nmode = 'subtle'\n")
    path.chmod(0o600)
    write_choice("sweep-0.5b", Record(record_path()))
    assert load_settings().settings.model.id == "sweep-0.5b"
    assert load_settings().settings.predict.gating.mode == "subtle"
    run("uninstall", "--yes")
    assert path.read_text() == "[predict]\nmode = 'subtle'\n"


def test_a_model_that_was_chosen_already_stays_the_chosen_one(home: Path) -> None:
    path = config_path()
    path.parent.mkdir(parents=True)
    path.write_text('[model]\nid = "mine"\n')
    assert "to use it, in" in write_choice("sweep-0.5b", Record(record_path()))
    assert path.read_text() == '[model]\nid = "mine"\n'
