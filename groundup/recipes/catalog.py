"""Every recipe that a preset can name: a plain dict from a name to its dataclass."""

from groundup.recipes.adapt import Adapt
from groundup.recipes.digits import DigitsFromScratch
from groundup.recipes.gpt_ladder import GPTLadderJob
from groundup.recipes.moons import Moons
from groundup.recipes.my_text import MyText
from groundup.recipes.names import NamesJob
from groundup.recipes.pretrain import Pretrain
from groundup.recipes.pretrain_by_size import PretrainBySize
from groundup.recipes.scalar_gpt import ScalarGPTJob
from groundup.recipes.zero_to_chat import ZeroToChat

RECIPES: dict[str, type] = {
    "adapt": Adapt,
    "digits-from-scratch": DigitsFromScratch,
    "gpt-ladder": GPTLadderJob,
    "moons": Moons,
    "my-text": MyText,
    "names": NamesJob,
    "pretrain": Pretrain,
    "pretrain-by-size": PretrainBySize,
    "scalar-gpt": ScalarGPTJob,
    "zero-to-chat": ZeroToChat,
}
