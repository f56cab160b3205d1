"""Which project a file belongs to, by real folders and links."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeta_context.errors import OutsideProject
from zeta_context.events.projects import ProjectPath, Projects


def test_a_file_belongs_to_the_longest_root_above_it(tmp_path: Path) -> None:
    projects = Projects([tmp_path, tmp_path / "packages" / "web"])
    outer = tmp_path.name
    assert projects.locate(tmp_path / "packages" / "a.py") == (outer, "packages/a.py")
    assert projects.locate(tmp_path / "packages" / "web" / "b.ts") == ("web", "b.ts")
    assert projects.locate(tmp_path / "packages" / "webby" / "b.ts").project == outer


def test_two_roots_of_one_name_get_two_names(tmp_path: Path) -> None:
    projects = Projects([tmp_path / "a" / "api", tmp_path / "b" / "api", tmp_path / "a" / "api"])
    assert [project.name for project in projects] == ["api", "api-2"]
    assert projects.locate(tmp_path / "b" / "api" / "x.go") == ProjectPath("api-2", "x.go")


@pytest.mark.parametrize("path", ["../x.py", "p/../../x.py", "p\0/x.py", "/etc/passwd"])
def test_what_lies_outside_is_refused(tmp_path: Path, path: str) -> None:
    projects = Projects([tmp_path / "p"])
    with pytest.raises(OutsideProject):
        projects.locate(f"{tmp_path}/p/{path}" if path[0] != "/" else path)
    with pytest.raises(OutsideProject):
        projects.file("p", path)


def test_a_path_that_turns_back_into_the_root_is_the_plain_one(tmp_path: Path) -> None:
    projects = Projects([tmp_path / "p"])
    assert projects.locate(f"{tmp_path}/p/a/../b.py") == ("p", "b.py")


def test_the_root_itself_is_no_file_of_it(tmp_path: Path) -> None:
    with pytest.raises(OutsideProject):
        Projects([tmp_path]).locate(tmp_path)


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (tmp_path / "secret").write_text("s")
    (root / "innocent.py").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    projects = Projects([root])
    for path in ("innocent.py", "folder/secret", "folder/new.py"):
        with pytest.raises(OutsideProject):
            projects.locate(root / path)
        with pytest.raises(OutsideProject):
            projects.file("p", path)


def test_a_link_within_the_root_keeps_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("")
    (tmp_path / "link.py").symlink_to("real.py")
    assert Projects([tmp_path]).locate(tmp_path / "link.py").path == "link.py"


def test_a_link_that_leads_nowhere_but_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutsideProject):
        Projects([tmp_path]).locate(tmp_path / "loop" / "x.py")


def test_a_root_may_be_named_by_another_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    assert Projects([tmp_path / "real"]).locate(tmp_path / "alias" / "x.py") == ("real", "x.py")
    assert Projects([tmp_path / "alias"]).locate(tmp_path / "real" / "x.py") == ("alias", "x.py")


def test_a_removed_project_is_no_longer_there(tmp_path: Path) -> None:
    projects = Projects([tmp_path / "p"])
    projects.remove("p")
    with pytest.raises(OutsideProject):
        projects.root("p")


def test_a_file_that_does_not_exist_yet_has_a_place(tmp_path: Path) -> None:
    projects = Projects([tmp_path / "p"])
    assert projects.file("p", "new/x.py") == tmp_path / "p" / "new" / "x.py"
