"""The looks inside a run, read again, and what each picture of them is made of.

`figure_data(view, run)` is the one function from which a picture, a web page and a test get their numbers, so
they cannot disagree. A look that was made twice, because a run was killed and resumed, counts once.

Next: recipes/diagnostics_figure.py, which draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.base.errors import RunDirError, UserError, suggest
from groundup.base.log import EventLog
from groundup.train.diagnostics import FILE, unbits

VIEWS = ("histograms", "saturation", "ratios", "gradients")


def looks(run: Path, label: str | None = None) -> list[dict[str, Any]]:
    """The records of one training stage in order of steps: of `label`, or of the first that has any."""
    path = run.with_name(FILE) if run.is_file() else run / FILE
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for record in EventLog(path, console=False).read("diagnostics"):
        found.setdefault(record.get("label", ""), {})[record["step"]] = record
    if not found:
        raise RunDirError(
            f"{run} has no {FILE}: nobody looked inside that run. Train with --fit.diagnose-every 100."
        )
    if label is not None and label not in found:
        raise UserError(
            f"No look was made in a stage {label!r}.{suggest(label, found)} Stages: {', '.join(found)}."
        )
    records = found[label if label is not None else next(iter(found))]
    return [records[step] for step in sorted(records)]


def figure_data(view: str, run: Path, *, label: str | None = None) -> dict[str, Any]:
    """The numbers of one picture, as JSON would have them.

    histograms  "layers": of each bend the edges and counts of its outputs and gradients, first and last look
    saturation  "layers": of each bend that can be stuck, its rows and units, at the first look
    ratios      "series": of each matrix (step, log10 of change over weight); "guide": -3
    gradients   "series": of each weight (step, norm of its gradient)
    """
    if view not in VIEWS:
        raise UserError(f"There is no view {view!r}.{suggest(view, VIEWS)} Views: {', '.join(VIEWS)}.")
    records = looks(run, label)
    if view == "histograms":
        return {"view": view, "looks": [_histograms(record) for record in _ends(records)]}
    if view == "saturation":
        layers = [_stuck(layer) for layer in records[0]["layers"] if "map" in layer]
        return {"view": view, "step": records[0]["step"], "layers": layers}
    key = "ratio" if view == "ratios" else "grad_norm"
    series: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        for weight in record["weights"]:
            if weight[key] is not None and (view == "gradients" or len(weight["shape"]) >= 2):
                series.setdefault(weight["name"], []).append((record["step"], float(weight[key])))
    return {"view": view, "series": series} | ({"guide": -3.0} if view == "ratios" else {})


def _ends(records: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return [records[0], records[-1]] if len(records) > 1 else records


def _histograms(record: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "bend", "mean", "std", "beyond_97", "beyond_99", "grad_std")
    layers = [
        {key: layer[key] for key in keys if key in layer}
        | {"edges": layer["span"], "counts": layer["bins"]}
        | {"grad_edges": layer["grad_span"], "grad_counts": layer["grad_bins"]}
        for layer in record["layers"]
    ]
    return {"step": record["step"], "layers": layers}


def _stuck(layer: dict[str, Any]) -> dict[str, Any]:
    rows = [[int(flag) for flag in unbits(row, layer["map_units"])] for row in layer["map"]]
    what = "gave 0" if layer["bend"] == "relu" else "beyond 0.99"
    return {"name": layer["name"], "bend": layer["bend"], "what": what, "rows": rows}
