"""What a process imports first, so that the rest takes less."""

import subprocess
import sys

import pytest

BEFORE = {
    "as it is": "",
    "parsed otherwise": "from scipy._lib import _docscrape; _docscrape.FunctionDoc = object",
    "nowhere": "from scipy._lib import _docscrape; del _docscrape.FunctionDoc",
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
def test_scipy_is_imported_whole_and_keeps_its_documentation(before: str) -> None:
    """Whatever a release of SciPy calls what parses docstrings: a service must start with it."""
    after = "import scipy.special, scipy.stats; assert 'rror function' in scipy.special.erf.__doc__; "
    after += "print(scipy.stats.ks_2samp([1, 2], [1, 2]).statistic, bool(scipy.stats.ttest_ind.__doc__))"
    if before:  # SciPy itself is not to fail by that: it is whole before
        before = f"import scipy.special, scipy.stats; {before}; "
    script = f"{before}import daemon.runtime.quick_imports; {after}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.returncode) == ("0.0 True\n", 0), done.stderr
