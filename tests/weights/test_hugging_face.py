"""Folders of Hugging Face's, both ways, against transformers itself: equal logits, greedy text and ids."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from groundup.base.errors import CheckpointError
from groundup.cli.main import main
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, gpt2, llama, qwen3
from groundup.tokenizer import chat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.chat import Conversation, assistant, system, user
from groundup.weights import checkpoint
from groundup.weights.hugging_face import read_folder
from groundup.weights.hugging_face_export import write_folder
from groundup.weights.source import load

TOKENIZER = BytePairTokenizer.train(
    "the cat sat on the mat, the hat on the cat " * 9, vocab_size=278, specials=chat.SPECIALS
)
SIZE = {"vocab_size": TOKENIZER.vocab_size, "context_len": 48, "n_layer": 2, "n_head": 4, "n_embd": 32}
MODELS = {
    "llama": llama(**SIZE, n_kv_head=2, tie=True, rope_theta=5e3),
    "llama with biases": llama(**SIZE, bias=True),
    "qwen2": llama(**SIZE, n_kv_head=2, qkv_bias=True),
    "qwen3": qwen3(**SIZE, n_kv_head=2, head_dim=12),
    "gpt2": gpt2(**SIZE),
    "gpt2 without biases": gpt2(**SIZE, bias=False),
    "layer scale": llama(**SIZE, layer_scale=0.1),
}
TALK = Conversation((system("be kind"), user("the cat?"), assistant("on the mat"), user("and the hat?")))


def saved(path, config, tokenizer=TOKENIZER):
    """A checkpoint of random weights in which no gain is 1 and no bias 0."""
    torch.manual_seed(0)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    checkpoint.save(path, model=model, tokenizer=tokenizer, step=3)
    return checkpoint.load(path)


def exported(tmp_path, config, tokenizer=TOKENIZER):
    ours = saved(tmp_path / "ours", config, tokenizer)
    write_folder(ours, tmp_path / "hf")
    return ours, tmp_path / "hf"


# ---- Out and in again ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "llama with biases", "qwen2", "qwen3", "gpt2"])
def test_out_and_in_again_is_the_identity(name, tmp_path):
    ours, folder = exported(tmp_path, MODELS[name])
    again = load(folder)
    assert again.tokenizer.fingerprint == ours.tokenizer.fingerprint
    for key, weight in ours.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[key], weight), key
    tokens_BT = torch.randint(SIZE["vocab_size"], (2, 20))
    assert torch.equal(again.model(tokens_BT), ours.model(tokens_BT))
    assert again.manifest.extra["chat"] == {"layout": "groundup"}
    assert "Model card" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"mlp": "relu2"}, "it has mlp='relu2'"),
        ({"norm": "layer"}, "it has norm='layer'"),
        ({"position": "none"}, "it has position='none'"),
        ({"qk_norm": True, "bias": True}, "a bias together with qk_norm"),
    ],
)
def test_what_cannot_be_faithful_is_refused(choices, words, tmp_path):
    ours = saved(tmp_path / "ours", llama(**{**SIZE, **choices}))
    with pytest.raises(CheckpointError, match=words):
        write_folder(ours, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_the_commands(tmp_path, capsys):
    saved(tmp_path / "ours", MODELS["qwen3"])
    assert main(["export", "hf", str(tmp_path / "ours"), "-o", str(tmp_path / "hf")]) == 0
    assert main(["convert", str(tmp_path / "hf"), "-o", str(tmp_path / "run")]) == 0
    assert "Next: groundup chat" in capsys.readouterr().out
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "run"))
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert main(["inspect", str(tmp_path / "run")]) == 0
    assert main(["generate", "--model", str(tmp_path / "hf"), "--prompt", "the", "--max-tokens", "3"]) == 0
    assert main(["convert", str(tmp_path / "hf"), "-o", str(tmp_path / "run")]) == 2
    assert "not empty" in capsys.readouterr().err


# ---- What is refused -----------------------------------------------------------------------------


def config_with(folder, **changes):
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "mamba"}, "of the type 'mamba'"),
        ({"hidden_act": "relu"}, "sets hidden_act to 'relu'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "sets rope_scaling"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "stretches its rotary positions"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "sets auto_map"),
        ({"new_idea": 1}, "sets new_idea to 1"),
        ({"quantization_config": {"bits": 4}}, "sets quantization_config"),
        ({"num_hidden_layers": 3}, r"lacks the tensors model\.layers\.2"),
        ({"num_hidden_layers": 10**9}, "says 1,000,000,000 layers"),
        ({"num_hidden_layers": 1}, "has no place for"),
        ({"max_position_embeddings": 1 << 50}, "a context of 1,125,899"),
        ({"hidden_size": 64}, "has shape"),
        ({"hidden_size": "big"}, "describes no model"),
        ({"vocab_size": 270}, r"settings ask for \(270, 32\)"),
        ({"vocab_size": 10**12}, "weights for 1,000,000,000,000|has shape"),
    ],
)
def test_settings_that_are_not_understood_are_named(changes, words, tmp_path):
    _, folder = exported(tmp_path, MODELS["llama"])
    config_with(folder, rope_scaling=None, transformers_version="5")  # harmless
    assert read_folder(folder)
    config_with(folder, **changes)
    with pytest.raises(CheckpointError, match=words):
        read_folder(folder)


def test_shards(tmp_path):
    ours, folder = exported(tmp_path, MODELS["qwen3"])
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    where = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(where.values()):
        save_file({name: weights[name] for name in names if where[name] == file}, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    assert torch.equal(read_folder(folder).model.embedding.weight, ours.model.embedding.weight)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks model-00002-of-00002"):
        read_folder(folder)


def test_damaged_weights(tmp_path):
    _, folder = exported(tmp_path, MODELS["llama"])
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-7], b"\xff" * 16, (1 << 40).to_bytes(8, "little") + whole[8:]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"no safetensors file|announces a header"):
            read_folder(folder)
    one = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    twice = b"{" + one + b"," + one + b"}"
    path.write_bytes(len(twice).to_bytes(8, "little") + twice + b"\0" * 4)
    with pytest.raises(CheckpointError, match="is there twice"):
        read_folder(folder)


def test_pickles_are_never_read(tmp_path):
    (tmp_path / "ckpt.pt").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(CheckpointError, match="a pickle is a program"):
        load(tmp_path / "ckpt.pt")
    _, folder = exported(tmp_path, MODELS["llama"])
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="is a pickle, which could run code"):
        load(folder)
    assert not (tmp_path / "owned").exists()


def test_an_imported_base_learns_a_text(tmp_path, capsys):
    """adapt goes on from a folder of Hugging Face's, and what comes out can still be talked to."""
    _, folder = exported(tmp_path, MODELS["qwen3"])
    (tmp_path / "text.txt").write_text("the hat sat on the cat, and the mat on the hat. " * 120)
    words = [
        "run",
        "adapt",
        "--base",
        str(folder),
        "--data.path",
        str(tmp_path / "text.txt"),
        "--replay",
        "0",
    ]
    words += ["--fit.steps", "4", "--fit.batch-size", "2", "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(words) == 0
    found = load(tmp_path / "run")
    assert found.manifest.extra["chat"] == {"layout": "groundup"}
    assert not torch.equal(found.model.embedding.weight, load(folder).model.embedding.weight)
    assert main(["inspect", str(folder)]) == 0
    assert "every tensor is there and fits" in capsys.readouterr().out


# ---- Against transformers ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_transformers_loads_it_and_says_the_same(name, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours, folder = exported(tmp_path, MODELS[name])
    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens_BT = torch.randint(SIZE["vocab_size"], (2, 40))
    with torch.no_grad():
        expected = theirs(tokens_BT).logits
        assert_close(ours.model(tokens_BT), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1
    prompt = TOKENIZER.encode("the cat")
    greedy = generate(ours.model, [prompt], SamplingParams(temperature=0, max_tokens=24))[0].ids
    made = theirs.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False, eos_token_id=None)
    assert made[0, len(prompt) :].tolist() == greedy and len(set(greedy)) > 1
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "the cat's 12 hats\n\n ok, naïve 你好"
    assert tokenizer.encode(text, add_special_tokens=False) == TOKENIZER.encode(text)
    assert tokenizer.decode(TOKENIZER.encode(text)) == text
    messages = TALK.to_dict()["messages"]
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert rendered == chat.prompt(TOKENIZER, TALK)


@pytest.mark.slow
def test_characters_go_along(tmp_path):
    from transformers import AutoTokenizer

    characters = CharTokenizer.train("the cat\nsat 你", specials=("<|bos|>",))
    _, folder = exported(tmp_path, llama(**{**SIZE, "vocab_size": characters.vocab_size}), characters)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "the 你\ncat"
    assert tokenizer.encode(text, add_special_tokens=False) == characters.encode(text)
    assert tokenizer.decode(characters.encode(text)) == text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Qwen2", "Qwen3"])
def test_what_transformers_saved_is_read(kind, tmp_path):
    import transformers

    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    size |= {"num_key_value_heads": 2, "max_position_embeddings": 48, "vocab_size": 300}
    if kind == "GPT2":
        size = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48, "vocab_size": 300}
    config = getattr(transformers, f"{kind}Config")(**size)
    theirs = getattr(transformers, f"{kind}{'LMHeadModel' if kind == 'GPT2' else 'ForCausalLM'}")(
        config
    ).eval()
    for parameter in theirs.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    theirs.save_pretrained(tmp_path / "hf")
    from groundup.tokenizer.hugging_face import save_hugging_face

    save_hugging_face(TOKENIZER, tmp_path / "hf" / "tokenizer.json")
    found = read_folder(tmp_path / "hf")
    tokens_BT = torch.randint(278, (2, 40))
    with torch.no_grad():
        assert_close(found.model(tokens_BT), theirs(tokens_BT).logits, rtol=1e-4, atol=1e-4)
    assert found.tokenizer.vocab_size == 300 and found.tokenizer.special("[PAD299]") == 299
