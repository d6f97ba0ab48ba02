"""``python -m sklearn_diffake`` is the command ``sklearn-diffake``."""

from sklearn_diffake.cli import run

if __name__ == "__main__":
    run()
