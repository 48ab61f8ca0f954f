"""Builds the zip of an autograder for Gradescope: setup.sh, run_autograder, and what they need.

Gradescope unpacks it to /autograder/source, runs setup.sh once as root, and run_autograder for each submission, which
lies in /autograder/submission; the result is /autograder/results/results.json. Source: Gradescope's autograder
specification (gradescope/autograder_samples, docs/specs.md).
"""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from importlib import metadata
from pathlib import Path

from harness.run.class_file import NAME

COURSEWORK, JUDGE, CONSTRAINTS = "coursework", "judge.safetensors", "constraints.txt"
_DATE = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SETUP = """#!/usr/bin/env bash
# Installs gradebench in the versions that the class is graded with. Run once, as root, when the image is built.
set -euo pipefail
root="${GRADEBENCH_AUTOGRADER:-/autograder}"
apt-get install -y --no-install-recommends bubblewrap python3-venv
python=python3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  apt-get install -y --no-install-recommends python3.11-venv
  python=python3.11
fi
"$python" -m venv "$root/venv"
"$root/venv/bin/pip" install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
"$root/venv/bin/pip" install -c "$root/source/constraints.txt" @WANTED@
XDG_CACHE_HOME="$root/cache" "$root/venv/bin/gradebench" data fetch
"""
_RUN = """#!/usr/bin/env bash
# Grades one submission. No score is recorded where gradebench itself fails: that is no zero.
root="${GRADEBENCH_AUTOGRADER:-/autograder}"
results="$root/results/results.json"
mkdir -p "$root/results"
rm -f "$results"
cd "$root/results"
XDG_CACHE_HOME="$root/cache" "$root/venv/bin/gradebench" check "$root/submission" \\
  --class-file "$root/source/gradebench-class.toml" @OPTIONS@--export "gradescope=$results"
code=$?
if [[ ! -s "$results" ]]; then
  cat > "$results" <<'END'
{"output": "The submission could not be graded: the autograder itself failed. No score was recorded, and nothing is \
held against this submission. The course staff can run the autograder again.",
 "output_format": "text", "stdout_visibility": "hidden", "tests": []}
END
  echo "gradebench ended with exit code $code, and without a result" >&2
fi
exit 0
"""


def built(settings: str, wheel: Path | None, source: str, judge: Path | None, coursework: Path | None) -> bytes:
    """The zip as bytes; the same arguments and versions give the same bytes.

    Parameters
    ----------
    settings : text of the class file
    wheel, source : what is installed: a wheel, which is put in, or an address for pip
    judge : a private judge, which is put in
    coursework : a coursework of the instructor's own, a folder or a TOML file, which is put in
    """
    files: dict[str, bytes] = {NAME: settings.encode(), CONSTRAINTS: constraints().encode()}
    wanted = shlex.quote(source)
    if wheel is not None:
        files[wheel.name] = wheel.read_bytes()
        wanted = f'"$root"/source/{shlex.quote(wheel.name)}'
    options = ""
    if judge is not None:
        files[JUDGE] = judge.read_bytes()
        options = f'--judge "$root/source/{JUDGE}" '
    if coursework is not None:
        files |= _coursework(coursework)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        scripts = {"setup.sh": _SETUP.replace("@WANTED@", wanted), "run_autograder": _RUN.replace("@OPTIONS@", options)}
        for name, content in [*((name, text.encode()) for name, text in scripts.items()), *sorted(files.items())]:
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if name in scripts else 0o644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def named(name: str, coursework: Path | None) -> str:
    """The assignment as the zip's class file names it: by name, or by its place in the zip."""
    if coursework is None:
        return name
    return COURSEWORK if coursework.is_dir() else f"{COURSEWORK}/{coursework.name}"


def constraints() -> str:
    """The versions of gradebench's libraries, direct and indirect, that this machine has: a line each, for pip's -c."""
    found: dict[str, str] = {}
    waiting = ["gradebench"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if name in found:
            continue
        found[name] = distribution.version.partition("+")[0]
        for line in distribution.requires or ():
            # Optional parts and other platforms' libraries are not needed to grade.
            if "extra ==" not in line and (match := _NAME.match(line)):
                waiting.append(match[0])
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()) if name != "gradebench")


def _coursework(path: Path) -> dict[str, bytes]:
    files = sorted(file for file in path.glob("*") if file.is_file()) if path.is_dir() else [path]
    return {f"{COURSEWORK}/{file.name}": file.read_bytes() for file in files}
