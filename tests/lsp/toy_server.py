"""A language server that does what a script tells it: good, late, wrong or not at all.

Started by the tests as a process; the script is JSON in argv[1]:
  encoding: what `positionEncoding` says (absent: nothing)      sync: 1 or 2
  answers: method -> list of results, the last one for ever      delay_s: before each answer
  hang: methods never answered    die: methods at which it exits    errors: method -> list of codes
  ask: requests it sends once initialized, as [method, params]; their answers come back as
       `toy/heard`                 say: notifications it sends once initialized
  raw: bytes (latin-1) written instead of the answer to `toy/raw`
It keeps the text of open documents as a server would and tells it by `toy/text`.
"""

import json
import sys
import time

SCRIPT = json.loads(sys.argv[1])
ENCODING = SCRIPT.get("encoding", "utf-16")
COUNTS: dict[str, int] = {}
TEXTS: dict[str, str] = {}
HEARD: list[object] = []
STDIN, STDOUT = sys.stdin.buffer, sys.stdout.buffer


def read() -> dict | None:
    length = None
    while True:
        line = STDIN.readline()
        if not line:
            return None
        if line in (b"\r\n", b"\n"):
            break
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(STDIN.read(length))


def send(message: dict) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    STDOUT.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    STDOUT.flush()


def units(char: str) -> int:
    if ENCODING == "utf-8":
        return len(char.encode("utf-8", "surrogatepass"))
    if ENCODING == "utf-16":
        return len(char.encode("utf-16-le", "surrogatepass")) // 2
    return 1


def offset(text: str, place: dict) -> int:
    at = row = 0
    while row < place["line"]:
        if text[at] == "\r":
            at += 2 if text[at : at + 2] == "\r\n" else 1
            row += 1
        elif text[at] == "\n":
            at, row = at + 1, row + 1
        else:
            at += 1
    left = place["character"]
    while left > 0:
        left -= units(text[at])
        at += 1
    assert left == 0, "a position inside of a character"
    return at


def change(uri: str, changes: list[dict]) -> None:
    for one in changes:
        if "range" not in one:
            TEXTS[uri] = one["text"]
            continue
        text = TEXTS[uri]
        start = offset(text, one["range"]["start"])
        end = offset(text, one["range"]["end"])
        TEXTS[uri] = text[:start] + one["text"] + text[end:]


def result_of(method: str) -> object:
    answers = SCRIPT.get("answers", {}).get(method, [None])
    seen = COUNTS.get(method, 1) - 1
    return answers[min(seen, len(answers) - 1)]


def capabilities() -> dict:
    found = {
        "textDocumentSync": {
            "openClose": True,
            "change": SCRIPT.get("sync", 2),
            "save": {"includeText": True},
        },
        "definitionProvider": True,
        "typeDefinitionProvider": {},
        "referencesProvider": True,
    }
    if "encoding" in SCRIPT:
        found["positionEncoding"] = SCRIPT["encoding"]
    found.update(SCRIPT.get("capabilities", {}))
    return found


def take_request(message: dict) -> None:
    method, own_id = message["method"], message["id"]
    COUNTS[method] = COUNTS.get(method, 0) + 1
    if method in SCRIPT.get("die", []):
        sys.exit(3)
    if method in SCRIPT.get("hang", []):
        return
    errors = SCRIPT.get("errors", {}).get(method, [])
    if COUNTS[method] <= len(errors):
        code = errors[COUNTS[method] - 1]
        send({"id": own_id, "error": {"code": code, "message": "secret text"}})
        return
    time.sleep(SCRIPT.get("delay_s", 0) if method != "initialize" else 0)
    if method == "initialize":
        send({"id": own_id, "result": {"capabilities": capabilities()}})
    elif method == "toy/raw":
        STDOUT.write(SCRIPT["raw"].encode("latin-1"))
        STDOUT.flush()
    elif method == "toy/text":
        send({"id": own_id, "result": TEXTS.get(message["params"]["uri"])})
    elif method == "toy/heard":
        send({"id": own_id, "result": HEARD})
    elif method == "toy/twice":
        send({"id": own_id, "result": 1})
        send({"id": own_id, "result": 2})
        send({"id": 987654, "result": 3})
    elif method == "toy/as-text":
        send({"id": str(own_id), "result": "as text"})
    else:
        send({"id": own_id, "result": result_of(method)})


def take_notification(message: dict) -> None:
    method, params = message["method"], message.get("params")
    if method == "initialized":
        for number, (ask, ask_params) in enumerate(SCRIPT.get("ask", [])):
            send({"id": f"toy-{number}", "method": ask, "params": ask_params})
        for say, say_params in SCRIPT.get("say", []):
            send({"method": say, "params": say_params})
    elif method == "textDocument/didOpen":
        TEXTS[params["textDocument"]["uri"]] = params["textDocument"]["text"]
    elif method == "textDocument/didChange":
        change(params["textDocument"]["uri"], params["contentChanges"])
    elif method == "textDocument/didClose":
        TEXTS.pop(params["textDocument"]["uri"])
    elif method == "toy/say":
        send({"method": params["method"], "params": params["params"]})
    if method in ("$/cancelRequest", "textDocument/didSave", "textDocument/didClose"):
        HEARD.append([method, params])


def main() -> None:
    sys.stderr.write("noise on stderr\n" * 5000)
    while (message := read()) is not None:
        if "method" in message and "id" in message:
            take_request(message)
        elif message.get("method") == "exit":
            sys.exit(0 if "shutdown" in COUNTS else 1)
        elif "method" in message:
            take_notification(message)
        else:
            HEARD.append(message)


main()
