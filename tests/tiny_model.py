"""A random Llama of a few thousand weights with a byte-level tokenizer, saved as a real model directory."""

from __future__ import annotations

from pathlib import Path

CHAT_TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>{{ turn.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save_tiny_model(
    directory: Path, *, end_ids: list[int], chat: bool = True, context_tokens: int = 256, hidden_size: int = 32
) -> Path:
    """Write the model; ``end_ids`` are the ids that end a row, several of them so that rows end early."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<pad>", "<end>"]
    vocabulary = {token: number for number, token in enumerate(specials + alphabet)}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<end>")
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(directory)

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context_tokens,
        initializer_range=0.6,  # spread the logits, so that greedy rows wander instead of repeating one token
        eos_token_id=end_ids,
        pad_token_id=0,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config).float()
    model.generation_config.eos_token_id = end_ids
    model.save_pretrained(directory)
    return directory
