"""Makes the parity vectors beside this file with PyTorch and `transformers`.

For a tiny random GPT-2 and BERT: weights as `save_pretrained` writes them, a batch, its logits, its
loss and every gradient; for GPT-2 also a short training with PyTorch's own AdamW and clipping.

    pip install torch==2.11.0 transformers==5.23.0 numpy && python make.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

HERE = Path(__file__).parent
IGNORED = -100


def randomise(model, generator):
    """Weights large enough that every term shows, biases and norms included."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
        for name, parameter in model.named_parameters():
            if ("ln_" in name or "LayerNorm" in name) and name.endswith("weight"):
                parameter.add_(1.0)


def save_weights(model, name):
    folder = HERE / name
    model.save_pretrained(folder)
    for extra in folder.iterdir():
        if extra.name not in ("model.safetensors", "config.json"):
            extra.unlink()


def gpt2():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    config = GPT2Config(
        vocab_size=41, n_positions=12, n_embd=24, n_layer=2, n_head=3,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    randomise(model, generator)
    save_weights(model, "gpt2")
    ids = torch.randint(0, 41, (3, 12), generator=generator)
    output = model(ids, labels=ids)
    output.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    logits = output.logits[:, :-1].reshape(-1, 41)
    training = train_gpt2(model, generator)
    return {"sequences": ids.tolist(), "loss": output.loss.item(), **training}, {"logits": logits, **gradients}


def train_gpt2(model, generator):
    """Twenty steps of AdamW as nanoGPT and the `transformers` trainer set it up."""
    decaying = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decaying, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    data = torch.randint(0, 41, (59, 12), generator=generator)
    losses, norms = [], []
    steps = 20
    for step in range(steps):
        rate = 0.01 * (step / 4 if step < 4 else (steps - step) / (steps - 4))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = data[3 * step : 3 * step + 3]
        optimizer.zero_grad()
        loss = model(batch, labels=batch).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    norm = sum(p.double().square().sum() for p in model.parameters()).sqrt().item()
    return {"training": data.tolist(), "losses": losses, "norms": norms, "final_norm": norm}


def bert():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(2)
    config = BertConfig(
        vocab_size=37, max_position_embeddings=10, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0,
    )  # fmt: skip
    model = BertForMaskedLM(config).eval()
    randomise(model, generator)
    save_weights(model, "bert")
    lengths = [10, 7, 4]
    rows, labels = [], []
    for length in lengths:
        tokens = torch.randint(1, 37, (length,), generator=generator)
        chosen = torch.rand(length, generator=generator) < 0.4
        chosen[1] = True
        labels.append(torch.where(chosen, tokens, IGNORED).tolist())
        rows.append(torch.where(chosen, 3, tokens).tolist())
    pad = lambda values, filler: torch.tensor([v + [filler] * (10 - len(v)) for v in values])
    ids, targets = pad(rows, 0), pad(labels, IGNORED)
    mask = torch.tensor([[1] * n + [0] * (10 - n) for n in lengths])
    output = model(ids, attention_mask=mask, labels=targets)
    output.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    logits = output.logits[targets != IGNORED]
    return {"sequences": rows, "targets": labels, "loss": output.loss.item()}, {"logits": logits, **gradients}


for name, make in [("gpt2", gpt2), ("bert", bert)]:
    facts, tensors = make()
    tensors = {key: value.detach().contiguous().clone() for key, value in tensors.items()}
    save_file(tensors, HERE / name / "expected.safetensors")
    (HERE / name / "expected.json").write_text(json.dumps(facts) + "\n")
