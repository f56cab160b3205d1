"""With real servers, both sides tapped: the proxy passes every byte but what is its own."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live_session import LiveSession, Project, frames_of, messages_of
from tests.e2e.servers import need
from tests.server.proxy_peer import through_proxy

PYTHON = Project(
    language="python",
    files={
        "shapes.py": "class Point:\n    x: int = 0\n\n\ndef make() -> Point:\n    return Point()\n",
        "main.py": "from shapes import make\n\nétoile = '𝒳'\nhere = make()\nprint(here.x)\n",
    },
    edited="main.py",
    name="make",
)
C = Project(
    language="c",
    files={
        "shapes.h": "struct point { int x; };\nstruct point make(void);\n",
        "main.c": '#include "shapes.h"\n\n/* é */\nint main(void) {\n    return make().x;\n}\n',
    },
    edited="main.c",
    name="make",
)
TYPESCRIPT = Project(
    language="typescript",
    files={
        "tsconfig.json": "{}",
        "shapes.ts": "export class Point { x = 0 }\nexport const make = () => new Point()\n",
        "main.ts": "import { make } from './shapes'\n\nconst é = '𝒳'\nconsole.log(make().x, é)\n",
    },
    edited="main.ts",
    name="make",
)
BASH = Project(
    language="shellscript",
    files={"main.sh": "#!/bin/bash\nmake_it() {\n    echo é\n}\nmake_it\n"},
    edited="main.sh",
    name="make_it",
)
YAML = Project(
    language="yaml",
    files={"main.yaml": "base: &base\n  a: é\nother:\n  <<: *base\n"},
    edited="main.yaml",
    name="base",
)
RUST = Project(
    language="rust",
    files={
        "Cargo.toml": '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/main.rs": 'mod shapes;\n\nfn main() {\n    println!("{}", shapes::make().x);\n}\n',
        "src/shapes.rs": "pub struct Point { pub x: i32 }\n"
        "pub fn make() -> Point {\n    Point { x: 0 }\n}\n",
    },
    edited="src/main.rs",
    name="make",
)
SERVERS: dict[str, tuple[list[str], Project, Any]] = {
    "ty": (["server"], PYTHON, None),
    "basedpyright-langserver": (["--stdio"], PYTHON, None),
    "jedi-language-server": ([], PYTHON, None),
    "ruff": (["server"], PYTHON, None),
    "pyrefly": (["lsp"], PYTHON, None),
    "clangd": ([], C, None),
    "typescript-language-server": (["--stdio"], TYPESCRIPT, None),
    "bash-language-server": (["start"], BASH, None),
    "yaml-language-server": (["--stdio"], YAML, None),
    "rust-analyzer": ([], RUST, {"checkOnSave": False, "cargo": {"noDeps": True}}),
}
OWN_METHODS = ("zeta/", "textDocument/inlineCompletion", "textDocument/copilotInlineEdit")
RESERVED = "zeta:"


def is_reserved(message: dict[str, Any]) -> bool:
    if message.get("method") == "$/cancelRequest":
        return str(message["params"]["id"]).startswith(RESERVED)
    return str(message.get("id", "")).startswith(RESERVED)


def is_own(message: dict[str, Any]) -> bool:
    return str(message.get("method", "")).startswith(OWN_METHODS)


def without_ours(result: dict[str, Any]) -> dict[str, Any]:
    """An initialize result without what the proxy adds."""
    result = json.loads(json.dumps(result))
    capabilities = result["capabilities"]
    assert capabilities.pop("inlineCompletionProvider", None) is True
    ours = capabilities["experimental"].pop("zetaContext")
    commands = capabilities["executeCommandProvider"]["commands"]
    capabilities["executeCommandProvider"]["commands"] = [
        name for name in commands if name not in ours["commands"]
    ]
    return result


def with_empty(result: dict[str, Any]) -> dict[str, Any]:
    """A server's result with the containers that the proxy had to make."""
    result = json.loads(json.dumps(result))
    if result["capabilities"].get("experimental") is None:
        result["capabilities"]["experimental"] = {}
    if result["capabilities"].get("executeCommandProvider") is None:
        result["capabilities"]["executeCommandProvider"] = {"commands": []}
    return result


def check_editor_to_server(sent: bytes, arrived: bytes) -> int:
    """What the server got is what the editor sent, less ours, plus our questions; how many."""
    own = [raw for raw, message in messages_of(frames_of(sent)) if not is_own(message)]
    got = list(messages_of(frames_of(arrived)))
    assert [raw for raw, message in got if not is_reserved(message)] == own
    return sum(is_reserved(message) for _, message in got)


def check_server_to_editor(sent: bytes, arrived: bytes, own_ids: set[object]) -> int:
    """What the editor got is what the server sent, less answers to us, plus ours; how many."""
    theirs = [pair for pair in messages_of(frames_of(sent)) if not is_reserved(pair[1])]
    got = [
        (raw, message)
        for raw, message in messages_of(frames_of(arrived))
        if "method" in message or message.get("id") not in own_ids
    ]
    assert len(got) == len(theirs)
    is_started = False
    for (raw, message), (original, their_message) in zip(got, theirs, strict=True):
        if not is_started and "capabilities" in (message.get("result") or {}):
            is_started = True
            assert without_ours(message["result"]) == with_empty(their_message["result"])
            continue
        assert raw == original
    assert is_started
    return len(got)


@pytest.mark.e2e
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SERVERS)
def test_a_live_session_is_the_same_on_both_sides_of_the_proxy(name: str, tmp_path: Path) -> None:
    arguments, project, options = SERVERS[name]
    program = need(name)
    root, log = tmp_path / "project", tmp_path / "log"
    root.mkdir()
    log.mkdir()
    project.write(root)
    tap = [sys.executable, "-S", str(Path(__file__).with_name("tap.py")), str(log)]
    # In pieces from a single byte up, so that boundaries fall everywhere.
    session = LiveSession(
        through_proxy([*tap, *program.command, *arguments]), root.resolve(), seed=len(name)
    )
    with session.peer:
        session.start(options)
        session.work(project)
        status = session.stop()
    arrived, answered = (log / "to_server").read_bytes(), (log / "from_server").read_bytes()
    asked = check_editor_to_server(bytes(session.sent), arrived)
    own_ids = {
        message["id"]
        for _, message in messages_of(frames_of(bytes(session.sent)))
        if is_own(message)
    }
    passed = check_server_to_editor(answered, session.received, own_ids)
    print(f"{name}: {passed} messages passed unchanged, {asked} questions of ours, status {status}")
    assert passed > 5
    if name not in ("ruff", "yaml-language-server"):
        assert asked > 0
