import pytest
import torch

from groundup.base.errors import CheckpointError, TokenizerError
from groundup.cli import generate
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint


@pytest.fixture
def run(tmp_path):
    """A finished run whose model counts a, b, c, ... h, a, ...: each character surely leads to the next."""
    tokenizer = CharTokenizer.train("abcdefgh")
    net = Transformer(
        TransformerConfig(vocab_size=8, context_len=6, n_layer=1, n_head=1, n_embd=8, zero_init_out=True)
    )
    with torch.no_grad():
        net.embedding.weight.copy_(torch.eye(8))
        net.unembedding.weight.copy_(20 * torch.eye(8).roll(1, 0))
    checkpoint.save(tmp_path / "run" / "model", model=net, tokenizer=tokenizer, step=1)
    return tmp_path / "run"


def test_it_prints_the_prompt_and_goes_on(run, capsys):
    assert generate.main([str(run), "--prompt", "cd", "--max-tokens", "20", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == "cd" + "efghabcdefghabcdefgh" + "\n"


def test_without_a_prompt_it_begins_by_itself(run, capsys):
    generate.main([str(run), "--max-tokens", "3", "--temperature", "0"])
    assert capsys.readouterr().out == "bcd\n"  # this alphabet has no line break: its first id is the start


def test_the_seed_decides(run, capsys):
    said = []
    for seed in ("1", "1", "2"):
        generate.main([str(run), "--prompt", "a", "--temperature", "40", "--seed", seed, "--device", "cpu"])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


def test_what_cannot_be_continued_is_refused(run, tmp_path):
    with pytest.raises(TokenizerError, match="'z'"):
        generate.main([str(run), "--prompt", "z"])
    with pytest.raises(CheckpointError, match="does not exist"):
        generate.main([str(tmp_path / "nothing")])


def test_a_stop_string_ends_the_text_before_it(run, capsys):
    words = ["--prompt", "cd", "--max-tokens", "30", "--temperature", "0", "--stop", "xx", "--stop", "ab"]
    generate.main([str(run), *words])
    assert capsys.readouterr().out == "cdefgh\n"


def test_guesses_change_nothing(run, capsys):
    said = []
    for draft in ([], ["--draft", "ngram"], ["--draft", str(run)]):
        generate.main([str(run), "--prompt", "a", "--temperature", "2", "--seed", "1", *draft])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2] and len(said[0]) > 200
