"""Settings for nbval, which collects the notebooks in book/."""


def pytest_collectstart(collector):
    """Do not compare stderr: libraries log there, and what they log depends on the machine."""
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
