"""Kinds of hand-ins that people report trouble with, built by the script beside the repository where it lies there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import intake

SCRIPT = Path(__file__).parents[4] / "shared" / "cases" / "build_hand_ins.py"
PARTS = ("conditional-generation", "row-inpainting", "half-inpainting")
MODELS = {"cvae": {"concat_activation": ("relu", "none"), "z_log": ("std", "variance")}, "cgan": {}}
SEATS = {
    "i01_canvas_resubmitted.zip": {"4321", "4400", "4410"},
    "i05_canvas_text_and_url.zip": {"4500", "4600", "4601"},
    "i06_moodle_no_folders.zip": {"1001", "1002"},
    "i07_moodle_onlinetext_only.zip": {"1001", "1002"},
    "i08_moodle_rar.zip": {"1001", "1003", "1004", "1005", "1006"},
    "i09_class": {"ada", "bob", "cy", "dan", "eve", "fay", "gil"},
    "i17_gradescope.zip": {"77", "78", "79", "80"},
    "i18_zip_in_zip.zip": {"1001", "1002"},
}
"""Ids of the seats; every other case is one submission, named after its file or folder."""
GRADED = {
    "i01_canvas_resubmitted.zip": SEATS["i01_canvas_resubmitted.zip"],
    "i05_canvas_text_and_url.zip": {"4600"},
    "i06_moodle_no_folders.zip": {"1001", "1002"},
    "i17_gradescope.zip": SEATS["i17_gradescope.zip"],
    "i14_caps": {"i14_caps"},
    "i14_txt": {"i14_txt"},
    "i15b_wandb_folder": {"i15b_wandb_folder"},
}
"""Ids that have to have no failure."""


@pytest.mark.skipif(not SCRIPT.exists(), reason="the script that builds the cases lies beside the author's checkout")
def test_every_case_has_its_rows(tmp_path: Path) -> None:
    (tmp_path / "plain.pt").write_bytes(b"weights")
    cases = tmp_path / "cases"
    subprocess.run([sys.executable, str(SCRIPT), str(cases), str(tmp_path / "plain.pt")], check=True, timeout=120)
    for path in sorted(cases.iterdir()):
        work = tmp_path / f"work-{path.name}"
        work.mkdir()
        found = {one.id: one for one in intake.collect([path], work, tasks=PARTS, models=MODELS)}
        alone = path.name if path.is_dir() else path.name.partition(".")[0]
        assert set(found) == SEATS.get(path.name, {alone}), path.name
        for one in found.values():
            if one.id in GRADED.get(path.name, ()):
                assert one.failure is None, (path.name, one.failure)
            assert one.failure is None or one.failure.fault == "submission", (path.name, one.failure)
