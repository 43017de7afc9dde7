"""A model of ours as a folder of Hugging Face's, which transformers and vLLM load without any code of ours.

    config.json, generation_config.json       what it is: gpt2, llama, qwen2 or qwen3, by its settings
    model.safetensors                         the weights, float32
    tokenizer.json, tokenizer_config.json     the same ids for the same text, and the chat template
    README.md                                 the model card

An export is faithful or it is refused, with the choice that stands in the way (exported.py).

Two things that the folder cannot say are in README.md: here a user's text can never spell a control token,
and transformers, which looks for them in all text, reads "<|end|>" as one; and our tools are
not in the template.

Oracle: transformers: equal logits, equal greedy text, equal ids (tests).
Next:   model_card.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from groundup.base.errors import CheckpointError
from groundup.base.files import atomic_dir, write_atomic, write_json
from groundup.models.transformer import TransformerConfig
from groundup.tokenizer import layouts
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.hugging_face import to_hugging_face
from groundup.tokenizer.pieces import PieceTokenizer
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.exported import bos_of, ends_of, family_of, folded, transformer_of
from groundup.weights.foreign_names import HF_GPT2, HF_LLAMA, Names, their_tensors
from groundup.weights.imported import layout_or_none
from groundup.weights.model_card import model_card


def write_folder(checkpoint: Checkpoint, path: str | Path) -> str:
    """Write the folder; returns the model type. CheckpointError, before anything is written, if it cannot."""
    path, model = Path(path), transformer_of(checkpoint)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CheckpointError(f"{path} is there and not empty. Choose another with -o PATH.")
    config, names = theirs(model.config)
    tokenizer = _tokenizer(checkpoint.tokenizer)
    about = _about_tokenizer(checkpoint)
    weights = their_tensors(model, names, overrides=folded(model))
    if names is HF_GPT2 and not model.config.bias:
        weights |= _zero_biases(weights)
    ends = ends_of(checkpoint)
    ids = {
        "eos_token_id": (ends[0] if len(ends) == 1 else list(ends)) if ends else None,
        "bos_token_id": bos_of(checkpoint),
    }
    with atomic_dir(path) as fresh:
        write_json(fresh / "config.json", {**config, **ids})
        write_json(fresh / "generation_config.json", {**ids, "do_sample": False})
        save_file(weights, fresh / "model.safetensors", metadata={"format": "pt"})
        write_json(fresh / "tokenizer.json", tokenizer)
        write_json(fresh / "tokenizer_config.json", about)
        write_atomic(fresh / "README.md", model_card(checkpoint, format="Hugging Face folder, float32"))
    return str(config["model_type"])


def theirs(c: TransformerConfig) -> tuple[dict[str, Any], Names]:
    """config.json of a model, and how its weights are called. CheckpointError says what hinders."""
    kind = family_of(c)
    if kind == "gpt2":
        return _gpt2(c), HF_GPT2
    config: dict[str, Any] = {
        "architectures": [{"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}[kind] + "ForCausalLM"],
        "model_type": kind,
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.context_len,
        "num_hidden_layers": c.n_layer,
        "num_attention_heads": c.n_head,
        "num_key_value_heads": c.kv_heads,
        "hidden_size": c.n_embd,
        "head_dim": c.head_width,
        "intermediate_size": c.mlp_hidden,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope_theta,
        "tie_word_embeddings": c.tie,
        "torch_dtype": "float32",
    }
    if kind == "llama":
        config |= {"attention_bias": c.bias, "mlp_bias": c.bias}
    return config, HF_LLAMA


def _gpt2(c: TransformerConfig) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c.vocab_size,
        "n_positions": c.context_len,
        "n_layer": c.n_layer,
        "n_head": c.n_head,
        "n_embd": c.n_embd,
        "n_inner": c.mlp_hidden,
        "layer_norm_epsilon": c.norm_eps,
        "activation_function": "gelu_new" if c.mlp == "gelu" else "gelu",
        "tie_word_embeddings": c.tie,
        "torch_dtype": "float32",
    }


def _zero_biases(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's biases, where ours has none: a bias of zero is none."""
    inside = [name for name in weights if ".h." in name or ".ln_f." in name]
    return {name.removesuffix("weight") + "bias": torch.zeros(weights[name].size(-1)) for name in inside}


# ---- Tokenizer -----------------------------------------------------------------------------------


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    if isinstance(tokenizer, PieceTokenizer):
        return to_hugging_face(tokenizer)
    assert isinstance(tokenizer, CharTokenizer), "there are no others"
    specials = {tokenizer.special(name): name for name in tokenizer.specials}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    vocab = {character: id for id, character in enumerate(tokenizer.characters)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": name, **flags} for id, name in sorted(specials.items())],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"[\s\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<no id for this character>"},
    }


def _about_tokenizer(checkpoint: Checkpoint) -> dict[str, Any]:
    tokenizer, ends = checkpoint.tokenizer, ends_of(checkpoint)
    names = {tokenizer.special(name): name for name in tokenizer.specials}
    bos = bos_of(checkpoint)
    found: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": checkpoint.config["context_len"],
        "clean_up_tokenization_spaces": False,
        "bos_token": names.get(bos) if bos is not None else None,
        "eos_token": names.get(ends[0]) if ends else None,
        "add_bos_token": False,
    }
    if (layout := layout_or_none(checkpoint)) is not None:
        found["chat_template"] = layouts.to_jinja(layout)
    return found
