"""Makes `gpt2/schedules.json` beside this file: twenty steps of PyTorch's own AdamW, with clipping, from
the committed weights and on the committed batches, under the schedules that `make.py` leaves out.

    pip install torch==2.11.0 transformers==5.23.0 numpy && python make_schedules.py
"""

import json
import math
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

HERE = Path(__file__).parent
STEPS, WARM_UP, PEAK = 20, 4, 0.01


def cosine(step):
    if step < WARM_UP:
        return step / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP)))


def wsd(step):
    """The first step moves; the last 30 % decay."""
    return (step + 1) / WARM_UP if step < WARM_UP else min(1.0, (STEPS - step) / (0.3 * STEPS))


def train(schedule, data):
    model = GPT2LMHeadModel.from_pretrained(HERE / "gpt2").eval()
    decaying = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decaying, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = PEAK * schedule(step)
        batch = data[3 * step : 3 * step + 3]
        optimizer.zero_grad()
        loss = model(batch, labels=batch).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    norm = sum(p.double().square().sum() for p in model.parameters()).sqrt().item()
    return {"losses": losses, "norms": norms, "final_norm": norm}


data = torch.tensor(json.loads((HERE / "gpt2/expected.json").read_text())["training"])
found = {"cosine": train(cosine, data), "wsd": train(wsd, data)}
(HERE / "gpt2/schedules.json").write_text(json.dumps(found) + "\n")
