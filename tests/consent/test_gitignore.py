"""Ignore patterns against git's own answers: `git check-ignore` is the oracle."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from zeta_context.consent.git_ignores import GitIgnores
from zeta_context.consent.gitignore import MAX_PATTERN_BYTES, PatternList, UnusableList

PIECES = [
    *("a", "b", "ab", "foo", "bar", "x.log", "*", "**", "***", "?", "*.log", "a*", "*b", "[ab]"),
    *("[!a]", "[^a-c]", "[a-", "[]a]", "[[:alpha:]]", "[[:digit:]]*", "[[:nope:]]", "\\*", "\\a"),
    *(
        "foo\\",
        "fo**",
        "**o",
        "f?o",
        "*.l?g",
        "é",
        "[é]",
        "a b",
        "[a-c]?",
        "[\\]a]",
        "[a\\-z]",
        "B",
    ),
    *("[[:space:]]", "[[.a.]", "b[", "]", "{a,b}", "#a", "+", ".", "(a|b)", "$", "^a", "a*b*"),
]
NAMES = ["a", "b", "ab", "foo", "bar", "x.log", "é", "a b", "B", "fo", "foob", "*", "1", "#a", "]"]


def make_pattern(rng: random.Random) -> str:
    parts = [rng.choice(PIECES) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    if rng.random() < 0.1:
        parts.insert(rng.randrange(len(parts) + 1), "")
    pattern = "/".join(parts)
    pattern = "/" + pattern if rng.random() < 0.2 else pattern
    pattern += "/" if rng.random() < 0.2 else ""
    pattern += rng.choice(("", "", "", " ", "\\ ", "\t", "\r"))
    return ("!" if rng.random() < 0.3 else "") + pattern


def ask_git(repository: Path, paths: list[str], *options: str) -> set[str]:
    """The paths that git ignores, whether tracked or not."""
    asked = subprocess.run(
        ["git", *options, "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=repository,
        input=b"\0".join(map(os.fsencode, paths)),
        capture_output=True,
        env=environment(repository),
        check=False,
    )
    assert asked.returncode in (0, 1), asked.stderr
    return {os.fsdecode(path) for path in asked.stdout.split(b"\0") if path}


def environment(repository: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(repository.parent / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True, env=environment(root))
    return Path(os.path.realpath(root))


def make_folders(root: Path, rng: random.Random) -> list[str]:
    """Folders with files of every name in them; returns the paths of all, folders included."""
    paths: list[str] = []
    folders = [""]
    for folder in folders:
        chosen = rng.sample(NAMES, 3) if folder.count("/") < 3 and len(folders) < 25 else []
        for name in NAMES:
            path = f"{folder}{name}"
            paths.append(path)
            if name in chosen:
                (root / path).mkdir(parents=True, exist_ok=True)
                folders.append(path + "/")
            else:
                (root / path).touch()
    return paths


def test_random_ignore_files_in_nested_folders_decide_as_git_does(repository: Path) -> None:
    rng = random.Random(20)
    paths = make_folders(repository, rng)
    folders = [path for path in paths if (repository / path).is_dir()]
    compared = ignored = 0
    (repository / ".git" / "info").mkdir(exist_ok=True)
    for _ in range(60):
        files = [repository / ".gitignore", repository / ".git" / "info" / "exclude"]
        files += [repository / folder / ".gitignore" for folder in rng.sample(folders, 4)]
        for file in files:
            patterns = [make_pattern(rng) for _ in range(rng.randrange(6))]
            file.write_text("\n".join(patterns) + rng.choice(("", "\n")), encoding="utf-8")
        ours = GitIgnores(repository, environment=environment(repository))
        found = {
            path
            for path in paths
            if ours.decide(path, is_folder=(repository / path).is_dir()) == "git_ignored"
        }
        expected = ask_git(repository, paths)
        assert found == expected, (found ^ expected, [file.read_text("utf-8") for file in files])
        compared, ignored = compared + len(paths), ignored + len(expected)
        for file in files:
            file.unlink()
    assert compared > 10_000
    assert ignored > compared / 10


def test_single_patterns_match_deep_paths_as_git_does(repository: Path) -> None:
    rng = random.Random(21)
    for _ in range(120):
        pattern = make_pattern(rng).lstrip("!")
        (repository / ".gitignore").write_text(pattern + "\n", encoding="utf-8")
        paths = ["/".join(rng.choices(NAMES, k=rng.randint(1, 5))) for _ in range(150)]
        ours = GitIgnores(repository, environment=environment(repository))
        found = {path for path in paths if ours.decide(path)}
        expected = ask_git(repository, paths)
        assert found == expected, (pattern, found ^ expected)


def test_letter_case_is_taken_as_git_takes_it(repository: Path) -> None:
    rng = random.Random(22)
    paths = ["/".join(rng.choices([*NAMES, "FOO", "X.Log", "AB"], k=2)) for _ in range(150)]
    for _ in range(60):
        pattern = make_pattern(rng).lstrip("!")
        pattern = pattern.upper() if rng.random() < 0.4 and "[:" not in pattern else pattern
        (repository / ".gitignore").write_text(pattern + "\n", encoding="utf-8")
        ours = GitIgnores(repository, ignores_case=True, environment=environment(repository))
        found = {path for path in paths if ours.decide(path)}
        assert found == ask_git(repository, paths, "-c", "core.ignorecase=true"), pattern


def test_the_users_excludes_file_is_found_where_git_finds_it(repository: Path) -> None:
    home = repository.parent / "home"
    (home / "mine").write_text("*.secretish\n")
    config = '[user]\n\texcludesFile = no\n[core]\n\tautocrlf = false\n\texcludesFile = "~/mine"\n'
    (home / ".gitconfig").write_text(config)
    assert ask_git(repository, ["x.secretish"]) == {"x.secretish"}
    ours = GitIgnores(repository, environment=environment(repository))
    assert ours.decide("x.secretish") == "git_ignored"
    assert ours.decide("x.py") is None


def test_gits_default_excludes_file_counts_too(repository: Path) -> None:
    folder = repository.parent / "home" / ".config" / "git"
    folder.mkdir(parents=True)
    (folder / "ignore").write_text("*.scratch\n")
    assert ask_git(repository, ["a.scratch"]) == {"a.scratch"}
    ours = GitIgnores(repository, environment=environment(repository))
    assert ours.decide("a.scratch") == "git_ignored"


def test_what_the_user_excludes_no_pattern_of_the_repository_takes_back(repository: Path) -> None:
    folder = repository.parent / "home" / ".config" / "git"
    folder.mkdir(parents=True)
    (folder / "ignore").write_text("*.scratch\n")
    (repository / ".gitignore").write_text("!*.scratch\n!*.mine\n")
    (repository / ".git" / "info" / "exclude").write_text("*.mine\n")
    ours = GitIgnores(repository, environment=environment(repository))
    assert ask_git(repository, ["a.scratch", "b.mine"]) == set()
    assert ours.decide("a.scratch") == ours.decide("b.mine") == "user_ignored"


def test_a_linked_worktree_reads_the_exclude_file_of_its_repository(repository: Path) -> None:
    env = environment(repository) | {
        **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("EMAIL",)},
        **{f"GIT_{who}_NAME": "a" for who in ("AUTHOR", "COMMITTER")},
    }
    commit = ["git", "commit", "--quiet", "--allow-empty", "-m", "begin"]
    subprocess.run(commit, cwd=repository, check=True, env=env)
    add = ["git", "worktree", "add", "--quiet", "../linked"]
    subprocess.run(add, cwd=repository, check=True, env=env, capture_output=True)
    (repository / ".git" / "info" / "exclude").write_text("*.mine\n")
    linked = Path(os.path.realpath(repository.parent / "linked"))
    ours = GitIgnores(linked, environment=environment(repository))
    assert ours.decide("b.mine") == "git_ignored"
    assert ask_git(linked, ["b.mine"]) == {"b.mine"}


def test_a_folder_below_the_top_of_the_repository_obeys_the_top(repository: Path) -> None:
    (repository / ".gitignore").write_text("/part/gen/\n")
    part = repository / "part"
    part.mkdir()
    ours = GitIgnores(part, environment=environment(repository))
    assert ours.top == repository
    assert ours.decide("part/gen/x.py") == "git_ignored"


def test_changed_created_and_removed_ignore_files_are_noticed(repository: Path) -> None:
    ours = GitIgnores(repository, environment=environment(repository))
    assert ours.decide("sub/a.txt") is None
    (repository / "sub").mkdir()
    (repository / "sub" / ".gitignore").write_text("*.txt\n")
    ours.refresh()
    assert ours.decide("sub/a.txt") == "git_ignored"
    (repository / "sub" / ".gitignore").write_text("*.text\n")
    ours.refresh()
    assert ours.decide("sub/a.txt") is None
    (repository / "sub" / ".gitignore").unlink()
    ours.refresh()
    assert ours.decide("sub/b.text") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_an_ignore_file_that_cannot_be_read_hides_all_below_it(repository: Path) -> None:
    (repository / "sub").mkdir()
    os.mkfifo(repository / "sub" / ".gitignore")
    ours = GitIgnores(repository, environment=environment(repository))
    assert ours.decide("sub/a.txt") == "unreadable_ignore_file"
    assert ours.decide("a.txt") is None


def test_a_link_in_place_of_an_ignore_file_is_no_ignore_file(repository: Path) -> None:
    (repository / "list").write_text("*.txt\n")
    (repository / ".gitignore").symlink_to("list")
    ours = GitIgnores(repository, environment=environment(repository))
    assert ours.decide("a.txt") is None
    assert ask_git(repository, ["a.txt"]) == set()


@pytest.mark.parametrize(
    "pattern",
    [
        b"**/" * 1000 + b"x",
        b"**/**/**/**/a" * 100,
        b"*a" * 1500 + b"b",
        b"[a-z]*" * 500 + b"1",
        b"?" * 4000,
        b"a**/" * 900 + b"b",
        b"(a+)+" * 600 + b"*",
    ],
)
def test_hostile_globs_take_linear_time(pattern: bytes) -> None:
    start = time.process_time()
    patterns = PatternList([pattern])
    for path in (b"a" * 4000, b"a/" * 2000 + b"a", b"/".join([b"aaaa"] * 800)):
        patterns.decide(path, is_folder=False)
    assert time.process_time() - start < 0.6  # three paths of 4 KB: 50 ms/KB


def test_endless_lists_and_patterns_are_refused() -> None:
    with pytest.raises(UnusableList):
        PatternList([b"a"] * 20_000)
    with pytest.raises(UnusableList):
        PatternList([b"a" * (MAX_PATTERN_BYTES + 1)])
