"""A real git repository for tests, made with the git program under a configuration of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HOOKS = ("post-index-change", "post-checkout", "pre-commit", "reference-transaction")


class GitRepo:
    """A repository in a folder; knows nothing of the code under test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, input: bytes | None = None) -> str:
        """Run git here and return what it printed, stripped."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=git_environment(),
            input=input,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file, making its folders."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(text.encode() if isinstance(text, str) else text)
        return full

    def commit(self, files: dict[str, str | bytes] | None = None, message: str = "change") -> str:
        """Write files, add everything, commit; returns the commit's object name."""
        for path, text in (files or {}).items():
            self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def git_environment() -> dict[str, str]:
    """An environment in which git reads nobody's configuration and asks nobody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }


def plant_traps(repo: GitRepo, marker: Path) -> None:
    """Make the repository's own configuration run a marker-writing command wherever git runs one.

    Commit the files first: planting comes last, as an archive with a prepared `.git` would.
    """
    script = repo.root / ".git" / "trap.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> "{marker}"\ncat 2>/dev/null\nexit 0\n')
    script.chmod(0o755)
    hooks = repo.root / ".git" / "planted-hooks"
    hooks.mkdir()
    for name in HOOKS:
        (hooks / name).write_text(script.read_text())
        (hooks / name).chmod(0o755)
    included = repo.root / ".git" / "included"
    included.write_text(f"[diff]\n\texternal = {script}\n[interactive]\n\tdiffFilter = {script}\n")
    (repo.root / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    with (repo.root / ".git" / "config").open("a") as config:
        config.write(
            f"""
[core]
\tfsmonitor = {script}
\thooksPath = {hooks}
\tsshCommand = {script}
\tpager = {script}
\teditor = {script}
\taskPass = {script}
\tgitProxy = {script}
\talternateRefsCommand = {script}
[pager]
\tlog = {script}
\tdiff = {script}
[diff]
\texternal = {script}
[diff "evil"]
\tcommand = {script}
\ttextconv = {script}
[filter "evil"]
\tclean = {script} clean
\tsmudge = {script} smudge
\tprocess = {script} process
\trequired = true
[merge "evil"]
\tdriver = {script}
[credential]
\thelper = !{script}
[gpg]
\tprogram = {script}
[log]
\tshowSignature = true
[sequence]
\teditor = {script}
[alias]
\tstatus = !{script}
\trev-list = !{script}
\tdiff-tree = !{script}
\tcat-file = !{script}
\tfor-each-ref = !{script}
[protocol]
\tallow = always
[protocol "ext"]
\tallow = always
[remote "origin"]
\turl = ext::{script} %S
\tuploadpack = {script}
\tpromisor = true
\tpartialclonefilter = blob:none
[include]
\tpath = included
"""
        )
