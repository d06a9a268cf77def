"""Full-size parity, `make parity-train`: random weights of GPT-2 small and BERT-base as `transformers`
writes them, a batch, its logits, its loss and its gradient; `engine/train/examples/parity.rs`
then computes the same from the same files and compares.

    python full_size.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

IGNORED = -100


def save(folder, model, rows, targets, logits, loss):
    loss.backward()
    model.save_pretrained(folder)
    facts = {"sequences": rows, "targets": targets, "loss": loss.item()}
    (folder / "expected.json").write_text(json.dumps(facts))
    gradients = {name: p.grad.contiguous() for name, p in model.named_parameters()}
    save_file({"logits": logits.detach().contiguous(), **gradients}, folder / "expected.safetensors")


def gpt2(folder):
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)).eval()
    ids = torch.randint(0, 50257, (2, 128))
    output = model(ids, labels=ids)
    targets = [row[1:] for row in ids.tolist()]
    save(folder, model, ids.tolist(), targets, output.logits[:, :-1].reshape(-1, 50257), output.loss)


def bert(folder):
    torch.manual_seed(2)
    model = BertForMaskedLM(BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0)).eval()
    lengths, width = [128, 90], 128
    ids = torch.randint(1000, 30522, (2, width))
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    targets = torch.where(mask & (torch.rand(2, width) < 0.15), ids, IGNORED)
    ids = torch.where(targets != IGNORED, 103, ids) * mask
    output = model(ids, attention_mask=mask.long(), labels=targets)
    cut = lambda table: [row[:length] for row, length in zip(table.tolist(), lengths)]
    save(folder, model, cut(ids), cut(targets), output.logits[targets != IGNORED], output.loss)


for name, make in [("gpt2", gpt2), ("bert", bert)]:
    folder = Path(sys.argv[1]) / name
    folder.mkdir(parents=True, exist_ok=True)
    make(folder)
