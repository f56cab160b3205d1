"""A project's licence: every file of it, as committed, and nothing that says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.consent.licence_samples import licence_texts
from tests.git_repo import GitRepo, plant_traps
from zeta_context.consent.evidence import Evidence
from zeta_context.consent.licence_names import agrees, find_header, is_licence_name
from zeta_context.consent.licenses import accepted_licences, find_evidence
from zeta_context.repository.worktree import Worktree, find

RESTRICTED = "You may look at this. You may not use it.\n"


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    made = GitRepo(tmp_path / "project")
    made.commit({"LICENSE": licence_texts()["MIT"], "src/a.py": "x = 1\n"})
    return made


def look(repo: GitRepo, *paths: str) -> Evidence:
    worktree = find(repo.root)
    assert isinstance(worktree, Worktree)
    return find_evidence(worktree, paths)


def test_a_committed_licence_is_evidence(repo: GitRepo) -> None:
    found = look(repo, "src/a.py")
    assert (found.is_accepted, found.licences) == (True, ("MIT",))
    assert found.head_commit == repo.git("rev-parse", "HEAD")
    (file,) = found.files
    assert file.blob == repo.git("rev-parse", "HEAD:LICENSE")
    assert file.path == "LICENSE"


def test_two_accepted_licences_are_accepted(repo: GitRepo) -> None:
    repo.git("mv", "LICENSE", "LICENSE-MIT")
    repo.commit({"LICENSE-APACHE": licence_texts()["Apache-2.0"]})
    assert look(repo).licences == ("Apache-2.0", "MIT")
    repo.commit({"Cargo.toml": '[package]\nname = "x"\nlicense = "MIT/Apache-2.0"\n'})
    assert look(repo).is_accepted


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE.commercial",
        "COPYING",
        "EULA.txt",
        "COMMONS-CLAUSE.md",
        "LICENSES/Own.txt",
        "license-enterprise",
        "TERMS.md",
        "Third-Party-Licenses.txt",
        "LICENSE.json",
    ],
)
def test_bad_input_9_one_restricted_file_at_the_root_refuses(repo: GitRepo, name: str) -> None:
    repo.commit({name: RESTRICTED})
    found = look(repo)
    assert (found.is_accepted, found.reason) == (False, "licence_unknown_text")
    assert name in found.detail


def test_bad_input_9_a_nested_licence_holds_for_its_folder(repo: GitRepo) -> None:
    repo.commit({"ee/LICENSE": RESTRICTED, "ee/deep/b.py": "y = 2\n"})
    assert look(repo, "src/a.py").is_accepted
    assert look(repo, "ee/deep/b.py").reason == "licence_unknown_text"
    assert look(repo, "src/a.py", "ee/deep/b.py").reason == "licence_unknown_text"
    repo.commit({"ee/LICENSE": licence_texts()["Apache-2.0"]})
    assert look(repo, "ee/deep/b.py").licences == ("Apache-2.0", "MIT")


def test_a_permissive_folder_in_a_restricted_project_is_not_enough(repo: GitRepo) -> None:
    repo.commit({"LICENSE": RESTRICTED, "src/LICENSE": licence_texts()["MIT"]})
    assert not look(repo, "src/a.py").is_accepted


def test_bad_input_10_a_licence_that_is_not_committed_is_none(repo: GitRepo) -> None:
    repo.git("rm", "-q", "LICENSE")
    repo.commit()
    assert look(repo).reason == "no_licence_file"
    repo.write("LICENSE", licence_texts()["MIT"])
    assert look(repo).reason == "licence_not_committed"
    repo.git("add", "LICENSE")
    assert look(repo).reason == "licence_not_committed"


def test_bad_input_10_a_licence_of_another_branch_is_none(repo: GitRepo) -> None:
    repo.git("switch", "-q", "-c", "other")
    repo.git("rm", "-q", "LICENSE")
    repo.commit()
    assert not look(repo).is_accepted
    repo.git("switch", "-q", "main")
    assert look(repo).is_accepted


def test_bad_input_7_a_changed_licence_is_noticed_at_once(repo: GitRepo) -> None:
    before = look(repo)
    repo.write("LICENSE", licence_texts()["MIT"] + "\n" + RESTRICTED)
    assert look(repo).reason == "licence_modified"
    repo.commit()
    assert look(repo).reason == "licence_unknown_text"
    repo.commit({"LICENSE": licence_texts()["Apache-2.0"]})
    after = look(repo)
    assert after.is_accepted
    assert after.digest != before.digest
    (repo.root / "LICENSE").unlink()
    assert look(repo).reason == "licence_modified"


def test_line_endings_of_the_checkout_are_no_change(repo: GitRepo) -> None:
    repo.write("LICENSE", licence_texts()["MIT"].replace("\n", "\r\n"))
    assert look(repo).is_accepted


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["link", "outside", "fifo", "folder", "zero", "sparse", "large"])
def test_bad_input_6_what_is_no_small_file_is_refused_at_once(repo: GitRepo, kind: str) -> None:
    licence = repo.root / "LICENSE"
    licence.unlink()
    if kind == "link":
        repo.write("real", licence_texts()["MIT"])
        licence.symlink_to("real")
    elif kind == "outside":
        licence.symlink_to("/etc/hostname")
    elif kind == "fifo":
        os.mkfifo(licence)
    elif kind == "folder":
        licence.mkdir()
    elif kind == "zero":
        licence.symlink_to("/dev/zero")
    elif kind == "sparse":
        with licence.open("wb") as file:
            file.truncate(2 << 30)
    else:
        licence.write_bytes(b"x" * 70_000)
    assert not look(repo).is_accepted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", '{"license": "UNLICENSED"}'),
        ("package.json", '{"license": "SEE LICENSE IN LICENSE", "private": true}'),
        ("package.json", '{"license": "Apache-2.0"}'),
        ("package.json", '{"licenses": [{"type": "MIT"}, {"type": "LicenseRef-Own"}]}'),
        ("package.json", "{broken"),
        ("pyproject.toml", '[project]\nlicense = "LicenseRef-Proprietary"'),
        ("pyproject.toml", '[project]\nlicense = {text = "Proprietary"}'),
        ("pyproject.toml", '[project]\nclassifiers = ["License :: Other/Proprietary License"]'),
        ("pyproject.toml", "[project"),
        ("Cargo.toml", '[package]\nlicense = "MIT AND LicenseRef-Own"'),
        ("setup.cfg", "[metadata]\nlicense = GPL-3.0-or-later\n"),
        ("composer.json", '{"license": "proprietary"}'),
    ],
)
def test_metadata_that_says_otherwise_refuses(repo: GitRepo, name: str, text: str) -> None:
    repo.write(name, text)
    assert not look(repo).is_accepted
    repo.write(f"src/{name}", text)
    (repo.root / name).unlink()
    assert look(repo).is_accepted
    assert not look(repo, "src/a.py").is_accepted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", '{"license": "MIT", "private": true}'),
        ("package.json", '{"license": "(MIT OR GPL-3.0)"}'),
        ("pyproject.toml", '[project]\nlicense = "MIT License"'),
        ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}'),
        ("Cargo.toml", '[workspace.package]\nlicense = "MIT OR Apache-2.0"'),
        ("setup.cfg", "[metadata]\nlicense = MIT\n"),
    ],
)
def test_metadata_that_agrees_is_fine(repo: GitRepo, name: str, text: str) -> None:
    repo.write(name, text)
    assert look(repo).is_accepted


def test_the_header_of_a_file_must_agree(repo: GitRepo) -> None:
    repo.commit({"src/b.py": "# SPDX-License-Identifier: LicenseRef-Own\n", "src/c.py": ""})
    repo.commit({"src/d.c": "/* SPDX-License-Identifier: MIT */\n"})
    assert look(repo, "src/b.py").reason == "header_otherwise"
    assert look(repo, "src/c.py", "src/d.c").is_accepted


def test_bad_input_3_a_hostile_repository_runs_nothing(repo: GitRepo, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    plant_traps(repo, marker)
    look(repo, "src/a.py")
    assert not marker.exists()


def test_no_commit_is_no_evidence(tmp_path: Path) -> None:
    empty = GitRepo(tmp_path / "empty")
    empty.write("LICENSE", licence_texts()["MIT"])
    assert look(empty).reason == "no_commit"


@pytest.mark.parametrize(
    ("declared", "holds"),
    [
        ("MIT", True),
        ("mit", True),
        ("(MIT)", True),
        ("MIT OR LicenseRef-X", True),
        ("LicenseRef-X OR (ISC AND MIT)", False),
        ("(GPL-2.0 OR (MIT AND MIT))", True),
        ("MIT AND ISC", False),
        ("MIT WITH Some-exception", False),
        ("MIT OR", False),
        ("(MIT", False),
        ("", False),
        ("MIT-like", False),
        ("(" * 5000, False),
    ],
)
def test_declared_expressions(declared: str, holds: bool) -> None:
    assert agrees(declared, ["MIT"]) is holds


def test_names_of_licence_files() -> None:
    for name in ("LICENSE", "licence.txt", "UNLICENSE", "COPYING.LESSER", "MIT-LICENSE", "EULA"):
        assert is_licence_name(name)
    for name in ("README.md", "NOTICE", "license_check.py", "licenses.ts", "silence.txt", "a.md"):
        assert not is_licence_name(name)
    assert is_licence_name("LICENSE", is_folder=True)
    assert not is_licence_name("license_checker", is_folder=True)


def test_headers_end_with_their_comment() -> None:
    assert find_header(b"// SPDX-License-Identifier: MIT\n") == "MIT"
    assert find_header(b"<!-- SPDX-License-Identifier: MIT OR X -->\n") == "MIT OR X"
    assert find_header(b"nothing") == ""


def test_a_licence_that_is_not_accepted_is_called_by_its_name(repo: GitRepo) -> None:
    repo.commit({"LICENSE": "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n"})
    assert look(repo).detail == "LICENSE reads like the GNU GPL, which is not accepted"
    repo.commit({"LICENSE": licence_texts()["MIT"] + "\nThe Commons Clause applies.\n"})
    assert "Commons Clause" in look(repo).detail


def test_the_accepted_licences_are_these() -> None:
    assert accepted_licences() == (
        "0BSD",
        "Apache-2.0",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "BlueOak-1.0.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "UPL-1.0",
        "Unlicense",
        "Zlib",
    )
