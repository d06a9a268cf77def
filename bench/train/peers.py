"""One peer on one case, as a line of JSON: `python peers.py KIND CASE`.

KIND is `eager` or `compiled` (a plain PyTorch model, written for this bench, with the fused AdamW) or
`trainer` (the Trainer of `transformers` on its own models). CASE is the JSON that
`engine/train/examples/throughput.rs` takes; the text is made by the same formulas.
"""

import json
import math
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

IGNORED = -100


def sequence(case, index):
    token = lambda i: (((index * 0x9E3779B9) ^ (i * 0x85EBCA6B)) & (2**64 - 1)) >> 7
    shortest = case.get("shortest", 0)
    length = shortest + index * 7919 % (case["context"] - shortest + 1) if shortest else case["context"]
    return [5 + token(i) % (case["vocabulary"] - 5) for i in range(length)]


class Block(nn.Module):
    """Pre-norm for GPT-2, post-norm for BERT; one product for query, key and value."""

    def __init__(self, case):
        super().__init__()
        width, self.heads = case["hidden"], case["heads"]
        self.causal = case["architecture"] == "gpt2"
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def attend(self, x, mask):
        rows, tokens, width = x.shape
        split = lambda part: part.view(rows, tokens, self.heads, -1).transpose(1, 2)
        query, key, value = map(split, self.qkv(x).split(width, dim=2))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=self.causal)
        return self.out(mixed.transpose(1, 2).reshape(rows, tokens, width))

    def forward(self, x, mask):
        if self.causal:
            x = x + self.attend(self.norm_1(x), None)
            return x + self.narrow(F.gelu(self.widen(self.norm_2(x)), approximate="tanh"))
        x = self.norm_1(x + self.attend(x, mask))
        return self.norm_2(x + self.narrow(F.gelu(self.widen(x))))


class Plain(nn.Module):
    """A language model with a tied output layer; of BERT, logits at masked positions alone."""

    def __init__(self, case):
        super().__init__()
        width = case["hidden"]
        padded = -(-case["vocabulary"] // 64) * 64
        self.tokens, self.positions = nn.Embedding(padded, width), nn.Embedding(case["context"], width)
        self.blocks = nn.ModuleList(Block(case) for _ in range(case["layers"]))
        self.norm = nn.LayerNorm(width)
        self.causal = case["architecture"] == "gpt2"
        self.transform = None if self.causal else nn.Linear(width, width)
        self.bias = None if self.causal else nn.Parameter(torch.zeros(padded))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets, mask, chosen):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        if not self.causal:
            x = self.norm(x)
        for block in self.blocks:
            x = block(x, mask)
        if self.causal:
            logits = F.linear(self.norm(x), self.tokens.weight)
            return F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), targets.view(-1), ignore_index=IGNORED)
        x = F.gelu(self.transform(x.view(-1, x.shape[-1])[chosen]))
        return F.cross_entropy(F.linear(x, self.tokens.weight, self.bias).float(), targets.view(-1)[chosen])


def batch(case, step, device):
    """Rows padded to the longest; 15 % of BERT's tokens are masked."""
    rows = [sequence(case, step * case["rows"] + i) for i in range(case["rows"])]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    if case["architecture"] == "gpt2":
        targets = F.pad(ids[:, 1:], (0, 1), value=IGNORED)
        return ids.to(device), targets.to(device), None, None, ids.numel()
    real = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
    # A fixed number of them, as a batch of fixed shape needs.
    place = torch.arange(ids.numel()).view(ids.shape)
    masked = real & (place * 2654435761 % 1000 < 150)
    targets = torch.where(masked, ids, IGNORED)
    chosen = masked.view(-1).nonzero().view(-1)
    ids = torch.where(masked, 3, ids)
    mask = None if bool(real.all()) else real[:, None, None, :].to(device)
    return ids.to(device), targets.to(device), mask, chosen.to(device), int(real.sum())


def plain(case, device, compiled):
    torch.manual_seed(0)
    model = Plain(case).to(device)
    decaying = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decaying, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    run = torch.compile(model) if compiled else model
    times = []
    pieces = case.get("pieces", 1)
    for step in range(case["steps"]):
        optimizer.zero_grad(set_to_none=True)
        tokens = 0
        for piece in range(pieces):
            part = dict(case, rows=case["rows"] // pieces)
            *inputs, count = batch(part, step * pieces + piece, device)
            tokens += count
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = run(*inputs) / pieces
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if device.type == "cuda" and step % 8 == 7 or step == case["steps"] // 3:
            torch.cuda.synchronize() if device.type == "cuda" else None
        times.append((time.perf_counter(), tokens))
    torch.cuda.synchronize() if device.type == "cuda" else None
    times[-1] = (time.perf_counter(), times[-1][1])
    return times, sum(p.numel() for p in model.parameters()), loss.item() * pieces


def trainer(case, device):
    import transformers as t

    common = dict(attn_implementation="sdpa")
    if case["architecture"] == "gpt2":
        config = t.GPT2Config(vocab_size=case["vocabulary"], n_positions=case["context"], n_embd=case["hidden"], n_layer=case["layers"], n_head=case["heads"], resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None, **common)  # fmt: skip
        model = t.GPT2LMHeadModel(config)
    else:
        config = t.BertConfig(vocab_size=case["vocabulary"], max_position_embeddings=case["context"], hidden_size=case["hidden"], num_hidden_layers=case["layers"], num_attention_heads=case["heads"], intermediate_size=4 * case["hidden"], hidden_dropout_prob=0, attention_probs_dropout_prob=0, **common)  # fmt: skip
        model = t.BertForMaskedLM(config)
    model.config.use_cache = False
    rows, pieces, times = case["rows"], case.get("pieces", 1), []

    class Text(torch.utils.data.Dataset):
        __len__ = lambda self: rows * case["steps"]
        __getitem__ = lambda self, index: index

    def collate(indices):
        part = dict(case, rows=len(indices))
        ids, targets, _, _, _ = batch(part, indices[0] // len(indices), torch.device("cpu"))
        lengths = torch.tensor([len(sequence(case, index)) for index in indices])
        attention = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        labels = ids if case["architecture"] == "gpt2" else targets
        return {"input_ids": ids, "labels": labels, "attention_mask": attention}

    class Watch(t.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            first = (state.global_step - 1) * rows
            times.append((time.perf_counter(), sum(len(sequence(case, first + i)) for i in range(rows))))

    # In the order of the formulas, so that every peer sees the same batches.
    class InOrder(t.Trainer):
        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = t.TrainingArguments(output_dir="/tmp/mixmake-bench", max_steps=case["steps"], per_device_train_batch_size=rows // pieces, gradient_accumulation_steps=pieces, learning_rate=1e-3, weight_decay=0.01, max_grad_norm=1.0, warmup_steps=max(1, case["steps"] // 10), logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True, remove_unused_columns=False, use_cpu=device.type == "cpu", bf16=device.type == "cuda")  # fmt: skip
    result = InOrder(model=model, args=arguments, train_dataset=Text(), data_collator=collate, callbacks=[Watch()]).train()
    return times, sum(p.numel() for p in model.parameters()), result.training_loss


def main():
    kind, case = sys.argv[1], json.loads(sys.argv[2])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(case.get("threads", 1))
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
    stdout = os.dup(1)
    os.dup2(2, 1)  # what libraries print is not the answer
    times, parameters, loss = trainer(case, device) if kind == "trainer" else plain(case, device, kind == "compiled")
    warm = times[len(times) // 3 :]
    overall = sum(tokens for _, tokens in warm[1:]) / (warm[-1][0] - warm[0][0])
    single = sorted(b[1] / (b[0] - a[0]) for a, b in zip(warm, warm[1:]))
    rate = single[len(single) // 2] if device.type == "cpu" else overall
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {"tokens_per_second": rate, "tokens_per_second_overall": overall, "parameters": parameters, "peak_bytes": peak, "loss": loss if math.isfinite(loss) else None}  # fmt: skip
    os.write(stdout, (json.dumps(found) + "\n").encode())


main()
