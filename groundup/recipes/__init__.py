"""Floor 14: the only place where parts are chosen and joined.

A recipe is a frozen dataclass with `run(run_dir) -> Result`; a preset is a short TOML file of differences
from its defaults; `catalog.py` maps names to recipes.
"""
