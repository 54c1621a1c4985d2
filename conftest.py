"""Settings for nbval, which collects the notebooks in book/."""


def pytest_collectstart(collector):
    """Do not compare stderr: libraries log there, and what they log depends on the machine.

    Nor how a figure is drawn, which depends on the library that draws; what it says is compared.
    Nor the scripts of live pieces: the notebooks in book/ have none, since the site loads them.
    """
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
        collector.sanitize_patterns[r'(?s)^<div class="cnn-figure".*'] = "a figure"
        collector.sanitize_patterns[r"(?s)\n<script>.*</script>"] = ""
