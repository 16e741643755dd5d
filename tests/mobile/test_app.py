"""The app as a phone gets it, with what recipes build and pure packages, shows its first window."""

import shutil
import sys
from pathlib import Path

from app import fonts
from packing import desktop, stage
from packing.fonts import NAME, WEIGHTS
from tests.mobile import phone

# As python-for-android starts it: main.py, without what else is installed.
START = """
import runpy, sys
sys.path[:0] = sys.argv[1:]
del sys.argv[1:]
runpy.run_path(sys.path[0] + "/main.py", run_name="__main__")
"""


def test_the_app_starts_with_what_a_phone_has_and_nothing_else(tmp_path: Path) -> None:
    site, laid_out = tmp_path / "site", tmp_path / "phone"
    phone.site_of_installed(site)
    for name in ("kivy", "pillow"):  # built for a phone by recipes; here they are this machine's
        phone.copy(name, site)
    stage.lay_out(laid_out)
    # The whole face stands for the letters that are kept of it, which take long to choose.
    (folder := laid_out / fonts.BUNDLED.relative_to(stage.CLIENT)).mkdir()
    for weight, face in zip(WEIGHTS, fonts._han(), strict=True):
        assert face
        shutil.copyfile(face, folder / NAME.format(weight))
    desktop.look([sys.executable, "-I", "-S", "-OO", "-c", START, str(laid_out), str(site)])
