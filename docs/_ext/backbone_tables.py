"""The table of backbones, made from the registry.

Before a build, ``docs/generated/backbones_all.rst`` is written, which the page
``guide/embeddings`` includes.
"""

from heads_tables import list_table, save

from sklearn_diffake.embedding.backbones import entries

HEADER = ["Backbone", "Width", "Input", "Crop", "Weights, M", "EER", "Weights and their license"]
WIDTHS = "24 7 8 12 8 12 29"


def cells(entry):
    """Return what is shown of an entry; what is not fixed or not measured stays empty."""
    rates = " / ".join(f"{100 * rate:.1f} %" for rate in entry.eer.values())
    extra = f", extra {', '.join(f'``{name}``' for name in entry.requires)}"
    source = f"{entry.weights}{extra if entry.requires else ''}"
    return [
        f"``{entry.name}``",
        str(entry.width or ""),
        "" if entry.input_size is None else str(entry.input_size[0]),
        "" if entry.crop is None else f"{entry.crop.size}, margin {entry.crop.margin:g}",
        "" if entry.n_parameters is None else f"{entry.n_parameters / 1e6:.1f}",
        rates,
        f"{entry.purpose if entry.purpose != 'any' else 'yours to know'}; {source}. "
        f"{entry.license}{'' if entry.offline else ' (needs a network once)'}",
    ]


def write_table(app):
    """Write the table."""
    save(app, {"backbones_all": list_table(HEADER, map(cells, entries()), WIDTHS)})


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", write_table)
    return {"parallel_read_safe": True}
