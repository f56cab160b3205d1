"""Which files are excluded, however their path is spelled and whatever the repository says."""

from __future__ import annotations

import os
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeta_context.consent.exclusions import MAX_AGE_S, Exclusions
from zeta_context.counts import Counts
from zeta_context.errors import SettingsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "src").mkdir()
    return root


def exclusions(root: Path, **settings: object) -> Exclusions:
    return Exclusions(root, environment={}, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "rule_id"),
    [
        (".env", "environment_file"),
        ("deploy/.env.production", "environment_file"),
        ("certs/server.pem", "key_or_certificate"),
        ("certs/server.key", "key_or_certificate"),
        ("certs/server.crt", "key_or_certificate"),
        ("release.keystore", "key_or_certificate"),
        ("id_rsa", "ssh_or_gpg_folder"),
        ("backup/id_ed25519.old", "ssh_or_gpg_folder"),
        (".ssh/config", "ssh_or_gpg_folder"),
        ("home/.ssh/deep/er", "ssh_or_gpg_folder"),
        (".netrc", "credentials_file"),
        (".npmrc", "credentials_file"),
        (".pypirc", "credentials_file"),
        (".git-credentials", "credentials_file"),
        (".aws/credentials", "credentials_file"),
        ("x/.docker/config.json", "credentials_file"),
        ("service-account-prod.json", "credentials_file"),
        ("config/secrets.yml", "secrets_file"),
        ("config/secrets.prod.toml", "secrets_file"),
        ("terraform.tfstate", "infrastructure_state"),
        ("prod.tfvars", "infrastructure_state"),
        ("vault.kdbx", "password_store"),
        (".bash_history", "shell_history"),
        (".git/config", "git_directory"),
    ],
)
def test_files_that_hold_secrets_are_excluded_by_their_names(
    root: Path, path: str, rule_id: str
) -> None:
    assert exclusions(root).decide(path).rule_id == rule_id
    assert exclusions(root).decide(root / path).rule_id == rule_id


@pytest.mark.parametrize(
    "path",
    [
        *("src/main.py", "src/secrets.py", "environment.py", "src/keys.py", "credentials.py"),
        *("docs/ssh.md", "package.json", "src/envelope.rs", "settings.toml", "tokens.py", "a%.py"),
        *("src/naïve.py", "src/a b.py", "monkey.js", ".github/workflows/ci.yml", "src/..x/y.py"),
    ],
)
def test_ordinary_sources_are_not_excluded(root: Path, path: str) -> None:
    assert not exclusions(root).decide(path).is_excluded


@pytest.mark.parametrize(
    "path",
    [
        *(".ENV", ".Env.Local", "ID_RSA", "Server.PEM", "src/.SSH/config", "SECRETS.YML"),
        *("%2eenv", "%2Eenv", "src%2F.env", "%252eenv", "id%5Frsa", "src\\.env", "src\\.ssh\\x"),
        *(".env::$DATA", "server.pem:hidden", ".env.", ".env ", "server.pem. .", "id_rsa:a:b"),
        *(
            ".e\u200bnv",
            "\uff0eenv",
            "server.\uff50em",
            "\u2024env",
            "ｉｄ_rsa",
            "ser\u00adver.pem",
        ),
        *("./.env", "src/./.env", "src//.env", ".env/", ".ssh/../.ssh/id"),
        *(
            "..%2f..%2fx.py",
            "src/%2e%2e/%2e%2e/x.py",
            "%2fetc%2fpasswd",
            "..\\..\\x",
            "\uff0e\uff0e/x",
        ),
        *("a\0.py", "a\nb.py", "x" * 5000, "", "../x.py", "src/../../x.py", "x" * 300),
    ],
)
def test_no_spelling_of_a_path_dodges_the_rules(root: Path, path: str) -> None:
    assert exclusions(root).decide(path).is_excluded


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "//host/share/x.py", "\\\\host\\share\\x.py", "file:///etc/passwd"),
        *(
            "file://host/share/x.py",
            "C:\\x.py",
            "c:/x.py",
            "jar:file:///x!/y",
            "untitled:Untitled-1",
        ),
        *("\\\\?\\C:\\x.py", "\\??\\C:\\x", "https://example.org/x.py", "~root/../x"),
    ],
)
def test_what_lies_outside_the_project_is_excluded(root: Path, path: str) -> None:
    assert exclusions(root).decide(path).rule_id in ("outside_project", "unusual_path")


def test_a_path_decomposed_as_mac_systems_do_is_the_same_path(root: Path) -> None:
    composed, decomposed = "caf\u00e9.py", unicodedata.normalize("NFD", "caf\u00e9.py")
    assert composed != decomposed
    for glob, path in ((composed, decomposed), (decomposed, composed)):
        assert exclusions(root, user_globs=[glob]).decide(path).rule_id == "user_glob"


def test_a_link_is_judged_by_where_it_leads(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("x")
    (root / ".env").write_text("x")
    (root / "out.py").symlink_to(tmp_path / "outside.py")
    (root / "in.py").symlink_to(".env")
    (root / "loop.py").symlink_to("loop.py")
    (root / "folder").symlink_to(tmp_path)
    (root / "fine.py").symlink_to("src/real.py")
    ours = exclusions(root)
    assert ours.decide("out.py").rule_id == "outside_project"
    assert ours.decide("in.py").rule_id == "environment_file"
    assert ours.decide("folder/outside.py").rule_id == "outside_project"
    assert not ours.decide("fine.py").is_excluded


def test_a_root_that_is_itself_reached_by_a_link_works(root: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    ours = exclusions(alias)
    assert not ours.decide(alias / "src" / "a.py").is_excluded
    assert not ours.decide(root / "src" / "a.py").is_excluded
    assert ours.decide(root / "src" / ".env").is_excluded
    assert ours.decide(tmp_path / "a.py").rule_id == "outside_project"


def test_the_users_globs_come_on_top_and_replace_nothing(root: Path) -> None:
    ours = exclusions(root, user_globs=["/internal/", "*.draft.*"])
    assert ours.decide("internal/a.py").rule_id == "user_glob"
    assert ours.decide("src/a.draft.py").rule_id == "user_glob"
    assert not ours.decide("src/internal/a.py").is_excluded
    assert ours.decide(".env").rule_id == "environment_file"


@pytest.mark.parametrize("glob", ["!.env", "", "[a", "a\\", "x" * 5000])
def test_a_users_glob_that_does_not_add_anything_is_refused(root: Path, glob: str) -> None:
    with pytest.raises(SettingsError) as raised:
        exclusions(root, user_globs=["fine", glob])
    assert "x" * 100 not in str(raised.value)


def test_git_ignored_files_are_excluded_unless_the_user_says_otherwise(root: Path) -> None:
    (root / ".gitignore").write_text("/build/\n*.tmp\n!keep.tmp\n!.env\n")
    ours = exclusions(root)
    assert ours.decide("build/a.py").rule_id == "git_ignored"
    assert ours.decide("src/a.tmp").rule_id == "git_ignored"
    assert not ours.decide("src/keep.tmp").is_excluded
    assert ours.decide(".env").rule_id == "environment_file"
    assert not exclusions(root, respects_git_ignore=False).decide("build/a.py").is_excluded


def test_the_repositorys_own_file_adds_exclusions(root: Path) -> None:
    (root / ".zeta_context.toml").write_text(
        'exclude = ["/vendor/", "*.gen.py"]\ncollect = false\n'
    )
    counts = Counts()
    ours = exclusions(root, counts=counts)
    assert ours.decide("vendor/a.py").rule_id == "repository_glob"
    assert ours.decide("src/a.gen.py").rule_id == "repository_glob"
    assert ours.repository_rules.forbids_collection
    assert not ours.repository_rules.forbids_remote
    assert counts.totals() == {}


@pytest.mark.parametrize(
    "content",
    [
        'endpoint = "https://evil.example"\nupload = true\nteacher_command = "x"\n',
        "collect = true\n",
        "remote = true\n",
        'exclude = ["!.env", "!*.pem"]\n',
        "collect = 0\n",
        '[exclusions]\ndefault = []\n[consent]\nstate = "ON"\n',
    ],
)
def test_nothing_in_the_repository_widens_anything(root: Path, content: str) -> None:
    (root / ".zeta_context.toml").write_text(content)
    counts = Counts()
    ours = exclusions(root, counts=counts)
    assert ours.decide(".env").is_excluded
    assert ours.decide("server.pem").is_excluded
    assert not ours.decide("src/a.py").is_excluded
    assert not ours.repository_rules.forbids_collection
    assert counts.totals() == {"repository_setting_ignored": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"exclude = [",
        b'exclude = "*.py"',
        b"exclude = [1]",
        b'exclude = ["[a"]',
        b'exclude = [""]',
        b"\xff\xfe",
        b"x = " + b"[" * 100_000,
        b"#" * 2_000_000,
        b'exclude = ["' + b"x" * 5000 + b'"]',
    ],
)
def test_a_repositorys_file_that_cannot_be_relied_upon_excludes_everything(
    root: Path, content: bytes
) -> None:
    (root / ".zeta_context.toml").write_bytes(content)
    counts = Counts()
    ours = exclusions(root, counts=counts)
    assert ours.decide("src/a.py").rule_id == "repository_file_unreadable"
    assert ours.repository_rules.forbids_remote
    assert counts.total("repository_file_unreadable") == 1


def test_a_link_in_place_of_the_repositorys_file_excludes_everything(root: Path) -> None:
    (root / ".zeta_context.toml").symlink_to(os.devnull)
    assert exclusions(root).decide("src/a.py").rule_id == "repository_file_unreadable"


def test_changes_are_noticed_after_a_second_or_when_asked_to(root: Path) -> None:
    now = [0.0]
    ours = exclusions(root, clock=lambda: now[0])
    assert not ours.decide("src/a.gen").is_excluded
    (root / ".gitignore").write_text("*.gen\n")
    (root / ".zeta_context.toml").write_text('exclude = ["*.two"]\n')
    assert not ours.decide("src/a.gen").is_excluded
    now[0] += MAX_AGE_S
    assert ours.decide("src/a.gen").rule_id == "git_ignored"
    assert ours.decide("src/a.two").rule_id == "repository_glob"
    (root / ".gitignore").unlink()
    (root / ".zeta_context.toml").unlink()
    ours.forget()
    assert not ours.decide("src/a.gen").is_excluded
    assert not ours.decide("src/a.two").is_excluded


def test_a_repeated_question_costs_microseconds_and_a_new_one_less_than_a_millisecond(
    root: Path,
) -> None:
    ours = exclusions(root, clock=lambda: 0.0)
    ours.decide("src/warm.py")
    start = time.process_time()
    for number in range(200):
        ours.decide(f"src/module_{number}.py")
    assert (time.process_time() - start) / 200 < 0.002
    start = time.process_time()
    for _ in range(10_000):
        ours.decide("src/module_1.py")
    assert (time.process_time() - start) / 10_000 < 20e-6


@given(st.text(max_size=60))
def test_any_text_is_answered_and_never_leads_outside(path: str) -> None:
    ours = Exclusions(Path(__file__).parent, environment={}, respects_git_ignore=False)
    decision = ours.decide(path)
    assert decision.is_excluded == bool(decision.rule_id)
    if not decision.is_excluded:
        real = os.path.realpath(Path(__file__).parent / path)
        assert Path(real).is_relative_to(os.path.realpath(Path(__file__).parent))


@given(
    st.sampled_from([".env", "id_rsa", "a/server.pem", ".ssh/x", "secrets.yml", ".netrc"]),
    st.data(),
)
def test_encoding_and_case_never_free_a_denied_path(path: str, data: st.DataObject) -> None:
    ours = Exclusions(Path(__file__).parent, environment={}, respects_git_ignore=False)
    spelled = "".join(
        data.draw(st.sampled_from([c, c.upper(), c.lower(), f"%{ord(c):02x}", f"%25{ord(c):02X}"]))
        for c in path
    )
    assert ours.decide(spelled).is_excluded
