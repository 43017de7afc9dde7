"""Every recipe that a preset can name: a plain dict from a name to its dataclass."""

from groundup.recipes.pretrain import Pretrain

RECIPES: dict[str, type] = {
    "pretrain": Pretrain,
}
