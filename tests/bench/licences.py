"""Measures the licence matcher: traps and restricted licences taken, permissive ones refused, cost.

Licence files are those of packages fetched with npm into a scratch folder, and of this
interpreter's. The matcher was built with one half of the packages (by a digest of their names), the
figures are of the other half. What npm cannot fetch is left out and said.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench.licence_files import LicenceFile, find_all
from tools.adversarial_licences import Trap, make_traps
from zeta_context.consent.licence_match import match_text
from zeta_context.consent.licence_names import agrees
from zeta_context.consent.licence_text import MAX_BYTES
from zeta_context.consent.licenses import accepted_licences


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


PERMISSIVE = _split(
    """
    webpack webpack-dev-server @angular/cli @nestjs/cli next vite rollup @babel/preset-env
    react-native hardhat verdaccio @vue/cli serverless firebase-tools @storybook/react ember-cli
    gatsby-cli electron-builder puppeteer aws-sdk @aws-sdk/client-s3 apollo-server googleapis
    jsdoc typedoc karma protractor ava tap nyc lerna nx semantic-release snyk netlify-cli pm2
    sails loopback hexo
    """
)
RESTRICTED = _split(
    """
    highcharts ag-grid-enterprise ag-charts-enterprise @mui/x-data-grid-pro
    @mui/x-date-pickers-pro @mui/x-license handsontable gsap froala-editor mapbox-gl
    @syncfusion/ej2-base @progress/kendo-react-common devextreme ckeditor4 tinymce @sentry/cli
    @elastic/eui n8n-workflow @fullcalendar/premium-common @amcharts/amcharts5 dhtmlx-gantt
    webix gojs fusioncharts @arction/lcjs @lightningchart/lcjs @pdftron/webviewer scichart
    @mescius/wijmo @mescius/spread-sheets pspdfkit @nutrient-sdk/viewer
    dynamsoft-javascript-barcode @uniswap/v3-core @uniswap/v4-core @arcgis/core @fancyapps/ui
    lightgallery fullpage.js isotope-layout flickity survey-creator-core
    @signalapp/libsignal-client jsxgraph jointjs ckeditor5 mathlive tldraw @tldraw/editor ghost
    """
)
_DECLARED = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache-2": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
}
_LATIN = _split(
    """
    lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor
    """
)


def main() -> int:
    """Print a table and, last, one line of JSON; exit status 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, default=Path("out") / "licences")
    parser.add_argument("--explain", action="store_true", help="list what was judged wrongly")
    arguments = parser.parse_args()
    scratch = arguments.scratch
    permissive = install(scratch / "permissive", PERMISSIVE)
    real = select_real([permissive, *site_packages()])
    spdx = read_spdx(pack(scratch / "spdx", ["spdx-license-list"]))
    allowed = set(accepted_licences())

    taken_traps: list[Trap] = []
    n_traps = 0
    for is_held_out in (False, True):
        for trap in make_traps(bases(spdx, allowed), is_held_out=is_held_out):
            n_traps += 1
            if match_text(trap.content).licence:
                taken_traps.append(trap)
    restricted = dict(
        find_restricted([pack(scratch / "restricted", RESTRICTED), permissive], allowed)
    )
    restricted |= {
        f"common-licenses/{path.name}": (path.read_bytes(), "")
        for path in Path("/usr/share/common-licenses").glob("*")
        if path.name.startswith(("GPL", "LGPL", "GFDL", "MPL", "Artistic"))
    }
    restricted |= {
        f"SPDX {name}": (text.encode(), "") for name, text in spdx.items() if name not in allowed
    }
    taken_restricted = [name for name, file in restricted.items() if is_taken(*file)]

    times, found, wrong = [], Counter[str](), []
    for file in real:
        content = file.path.read_bytes()
        verdict = match_text(content)
        times.append(time_once(content))
        found[file.declared] += verdict.licence == file.declared
        if verdict.licence != file.declared:
            wrong.append((file, verdict))
    slowest_ms = max(time_once(content) for content in hostile_texts(spdx))

    for trap in taken_traps:
        print("taken:", trap.kind, trap.base, file=sys.stderr)
    for name in taken_restricted:
        print("taken:", name, file=sys.stderr)
    if arguments.explain:
        for file, verdict in wrong:
            print("refused:" if not verdict.licence else "other:", file, verdict, file=sys.stderr)
    declared = Counter(file.declared for file in real)
    print(f"{'licence':<16}{'files':>7}{'told':>7}")
    for name, n in declared.most_common():
        print(f"{name:<16}{n:>7}{found[name]:>7}")
    recall = sum(found.values()) / max(1, len(real))
    p95_ms = sorted(times)[int(0.95 * len(times))] if times else 0.0
    print(
        f"traps {n_traps}, taken {len(taken_traps)}; restricted {len(restricted)}, taken "
        f"{len(taken_restricted)}; slowest hostile input {slowest_ms:.1f} ms"
    )
    print(
        json.dumps(
            {
                "false_accepts_adversarial": len(taken_traps),
                "adversarial": n_traps,
                "false_accepts_restricted": len(taken_restricted),
                "restricted": len(restricted),
                "recall_weighted": round(recall, 4),
                "real_files": len(real),
                "p95_ms": round(p95_ms, 2),
            }
        )
    )
    return int(bool(taken_traps or taken_restricted) or recall < 0.90 or slowest_ms > 100)


def install(folder: Path, packages: Sequence[str]) -> Path:
    """Packages and what they depend on, in a scratch folder; nothing of theirs is run."""
    if is_prepared(folder, packages):
        return folder
    table = {"name": "scratch", "private": True, "dependencies": dict.fromkeys(packages, "*")}
    (folder / "package.json").write_text(json.dumps(table))
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--silent"]
    run_npm(folder, "install", *flags)
    return folder


def pack(folder: Path, packages: Sequence[str]) -> Path:
    """Packages alone, in a scratch folder."""
    if is_prepared(folder, packages):
        return folder
    for package in packages:
        place = folder / "node_modules" / package
        archive = run_npm(folder, "pack", "--silent", package).strip()
        if archive and (folder / archive).is_file():
            with tarfile.open(folder / archive) as tar:
                tar.extractall(place, filter="data")
            for inner in place.iterdir():
                inner.rename(place.parent / f"{place.name}.new")
            place.rmdir()
            (place.parent / f"{place.name}.new").rename(place)
            (folder / archive).unlink()
    return folder


def is_prepared(folder: Path, packages: Sequence[str]) -> bool:
    """Whether there is nothing to fetch, or nothing to fetch it with."""
    mark = folder / "packages"
    wanted = "\n".join(packages)
    if shutil.which("npm") is None or (mark.exists() and mark.read_text() == wanted):
        return True
    print(f"fetching {len(packages)} packages into {folder} ...", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(wanted)
    return False


def run_npm(folder: Path, *arguments: str) -> str:
    """What npm printed; empty when it failed, which is said."""
    done = subprocess.run(
        ["npm", *arguments], cwd=folder, check=False, timeout=1200, capture_output=True, text=True
    )
    if done.returncode:
        print(f"npm {arguments[0]} {arguments[-1]} failed: left out", file=sys.stderr)
    return "" if done.returncode else done.stdout


def site_packages() -> list[Path]:
    """Where this interpreter's packages are."""
    return sorted({Path(entry) for entry in sys.path if entry.endswith("site-packages")})


def select_real(folders: Iterable[Path], *, is_held_out: bool = True) -> list[LicenceFile]:
    """The files of packages that declare an accepted licence, each text once a package.

    `is_held_out` chooses the half of the packages that the matcher was not built with; the packages
    of one publisher are in the same half.
    """
    allowed = set(accepted_licences())
    found: dict[tuple[str, bytes], LicenceFile] = {}
    for folder in folders:
        for file in find_all(folder):
            declared = _DECLARED.get(file.declared, file.declared)
            publisher = file.package.partition(":")[2].partition("/")[0]
            half = hashlib.sha256(publisher.encode()).digest()[0] % 2
            if declared in allowed and half == is_held_out:
                key = (file.package, file.path.read_bytes())
                found[key] = LicenceFile(package=file.package, declared=declared, path=file.path)
    return list(found.values())


def read_spdx(folder: Path) -> dict[str, str]:
    """The texts of the SPDX list, by identifier."""
    files = folder.glob("node_modules/spdx-license-list/licenses/*.json")
    return {path.stem: json.loads(path.read_bytes())["licenseText"] for path in sorted(files)}


def bases(spdx: dict[str, str], allowed: set[str]) -> dict[str, str]:
    """The accepted licences' own texts, without placeholders, into which traps are built."""
    return {name: spdx[name] for name in sorted(allowed) if name in spdx}


def find_restricted(
    folders: Iterable[Path], allowed: set[str]
) -> Iterable[tuple[str, tuple[bytes, str]]]:
    """Licence files of packages that declare something that is not accepted, and what they do."""
    for folder in folders:
        for file in find_all(folder):
            declared = _DECLARED.get(file.declared, file.declared)
            parts = re.split(r"[\s()/]+|-or-later|-only", declared)
            if declared and declared != "BSD" and allowed.isdisjoint(parts):
                yield f"{file.package} ({declared})", (file.path.read_bytes(), declared)


def is_taken(content: bytes, declared: str) -> bool:
    """Whether a project with that licence file and that declaration would be accepted."""
    licence = match_text(content).licence
    return bool(licence) and (not declared or agrees(declared, [licence]))


def hostile_texts(spdx: dict[str, str]) -> list[bytes]:
    """Inputs that would make a careless matcher slow, as large as is read at all."""
    chance = random.Random(1)
    mit = spdx.get("MIT", "MIT License")
    notice = "Copyright (c) 2024 Ada Example\n"
    texts = [
        "a" * MAX_BYTES,
        "a " * (MAX_BYTES // 2),
        "(" * MAX_BYTES,
        "\n" * MAX_BYTES,
        "copyright " * (MAX_BYTES // 10),
        notice * (MAX_BYTES // len(notice)),
        ("Permission is hereby granted, " * 3000)[:MAX_BYTES],
        (mit * 70)[:MAX_BYTES],
        ("Neither the name of " + "A " * 40) * 600,
        ("http://" + "a." * 200) * 150,
        ("a@" + "b." * 200) * 150,
        "<" * MAX_BYTES,
        "1. " * (MAX_BYTES // 3),
        " " * (MAX_BYTES - 1) + "x",
        " ".join(chance.choice(_LATIN) for _ in range(MAX_BYTES // 8)),
        "\u00e9" * (MAX_BYTES // 2),
        "Copyright " + "see the AUTHORS file " * 3000,
        "Copyright " + "A. " * 20_000,
        "Copyright " + "a-" * 30_000 + ".com",
    ]
    return [text.encode()[:MAX_BYTES] for text in texts] + [bytes(MAX_BYTES), b"\xff" * MAX_BYTES]


def time_once(content: bytes) -> float:
    """Milliseconds of this process's own time for one text, the best of three."""
    took = []
    for _ in range(3):
        start = time.process_time()
        match_text.__wrapped__(content)
        took.append(time.process_time() - start)
    return 1000 * min(took)


if __name__ == "__main__":
    sys.exit(main())
