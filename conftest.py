"""Settings for nbval, which collects the notebooks in book/, and for xdist, which shares tests."""

from xdist.scheduler import LoadFileScheduling

# Their tests are long and need nothing from each other.
SHARED = {
    f"tests/test_{name}.py"
    for name in ("pieces_drawings", "readers", "reproduce", "run_here", "site")
}


class Scheduling(LoadFileScheduling):
    """A file stays on one core, as a notebook must; the tests of SHARED go where there is room.

    They go out last, so that no core is left with a long file at the end.
    """

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return nodeid if file in SHARED else file


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_collectstart(collector):
    """Do not compare stderr: libraries log there, and what they log depends on the machine.

    Nor how a figure is drawn, which depends on the library that draws; what it says is compared.
    Nor the scripts of live pieces: the notebooks in book/ have none, since the site loads them.
    """
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
        collector.sanitize_patterns[r'(?s)^<div class="cnn-figure".*'] = "a figure"
        collector.sanitize_patterns[r"(?s)\n<script>.*</script>"] = ""
