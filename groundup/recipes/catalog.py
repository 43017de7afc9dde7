"""Every recipe that a preset can name: a plain dict from a name to its dataclass."""

from groundup.recipes.digits import DigitsFromScratch
from groundup.recipes.pretrain import Pretrain
from groundup.recipes.zero_to_chat import ZeroToChat

RECIPES: dict[str, type] = {
    "digits-from-scratch": DigitsFromScratch,
    "pretrain": Pretrain,
    "zero-to-chat": ZeroToChat,
}
