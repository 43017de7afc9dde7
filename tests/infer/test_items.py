"""Names from any model: the lecture's own, what ends one, and what each kind of model is given to read."""

import pytest
import torch

from groundup.base.errors import ConfigError
from groundup.data.names import read_names
from groundup.data.windows import examples
from groundup.infer.items import context, write_items
from groundup.infer.sampling import SamplingParams
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.counts import Counts, CountsConfig
from groundup.models.transformer import Transformer, TransformerConfig

PLAIN = SamplingParams(max_tokens=30)


@pytest.mark.needs("course-names")
def test_the_five_names_of_the_first_lecture():
    names = read_names()
    found = examples(names.train + names.dev + names.test, names.tokenizer, 1)
    model = Counts(CountsConfig(27))
    model.learn(found.tokens_NK, found.targets_N)
    written = write_items(model, 5, PLAIN, torch.Generator().manual_seed(2147483647))
    assert list(map(names.tokenizer.decode, written)) == [
        "mor", "axx", "minaymoryles", "kondlaisah", "anchshizarie",
    ]  # fmt: skip


def test_each_kind_of_model_reads_its_own_way():
    windows = BengioMLP(BengioMLPConfig(27))
    assert context(windows, [5]).tolist() == [[0, 0, 5]]
    assert context(windows, [5, 6, 7, 8]).tolist() == [[6, 7, 8]]
    prefixes = Transformer(TransformerConfig(vocab_size=27, context_len=4, n_layer=1, n_head=1, n_embd=8))
    assert context(prefixes, [5]).tolist() == [[0, 5]]
    assert context(prefixes, [5, 6, 7, 8]).tolist() == [[5, 6, 7, 8]]
    for model in (windows, prefixes):
        written = write_items(model, 3, PLAIN, torch.Generator().manual_seed(1), start=(3,))
        assert all(item[0] == 3 and 0 not in item and len(item) <= 31 for item in written)
        assert written != write_items(model, 3, PLAIN, torch.Generator().manual_seed(2), start=(3,))


def test_an_id_that_no_item_can_begin_with():
    with pytest.raises(ConfigError, match="id 27"):
        write_items(BengioMLP(BengioMLPConfig(27)), 1, PLAIN, torch.Generator(), start=(27,))
