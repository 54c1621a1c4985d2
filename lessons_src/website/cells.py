"""Questions, what lies sealed behind them, and checks that open."""


def setup(app):
    pass
