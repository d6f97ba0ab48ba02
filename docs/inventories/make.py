"""Write the inventories by which the documentation links to other projects, without a network.

    python docs/inventories/make.py

Each holds the objects of `objects.toml` only, in the format of Sphinx's own ``objects.inv``.
"""

import tomllib
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HEADER = """\
# Sphinx inventory version 2
# Project: {project}
# Version: stable
# The remainder of this file is compressed using zlib.
"""


def read_projects():
    """Return the projects by name: their addresses and pages."""
    return tomllib.loads((FOLDER / "objects.toml").read_text("utf-8"))


def objects_of(project):
    """Yield kind, full name and address below that of the project, of every object."""
    for group in project["pages"]:
        for kind in sorted(group.keys() - {"page"}):
            for name in group[kind]:
                page = group["page"].format(name=name, module=name.rpartition(".")[0])
                yield kind, name, page


def inventory(name, project):
    """Return the bytes of the inventory of a project."""
    lines = sorted(f"{item} py:{kind} 1 {page}#$ -\n" for kind, item, page in objects_of(project))
    return HEADER.format(project=name).encode() + zlib.compress("".join(lines).encode(), 9)


if __name__ == "__main__":
    for name, project in read_projects().items():
        (FOLDER / f"{name}.inv").write_bytes(inventory(name, project))
