#!/usr/bin/env python3
"""Opens every exported layout with the reader of the project it is for, and compares the tokens.

    check.py MIXMAKE FOLDER

FOLDER is new or empty; MIXMAKE is the binary. Writes a small corpus, builds its shards with u16 and with i32 tokens, exports
them as megatron, nanogpt, olmo, datatrove and llmc, and reads each back: with megatron.core's IndexedDataset,
nanoGPT's and llm.c's published recipes (a memory map; a header of 256 numbers), olmo_core's NumpyFSLDataset, datatrove's
DatatroveFileDataset. The tokens to compare with come from the exported Megatron pair, read by this script's own few lines.
Exit 0 and one line a reader, or an AssertionError.
"""

import json
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

SEQUENCE = 64


def corpus(folder: Path) -> None:
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyzäöü東京🦀 "
    for domain in ("one", "two"):
        lines = []
        for _ in range(400):
            text = "".join(rng.choices(letters, k=rng.randrange(20, 900)))
            lines.append(json.dumps({"text": text}))
        (folder / f"{domain}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


MANIFEST = """
[corpus]
min-chars = 30
block = "whole"
held-out = 20
[domain.one]
files = "one.jsonl"
[domain.two]
files = "two.jsonl"
[tokenizer]
{tokenizer}
"""


def wide_tokenizer(narrow: Path, wide: Path) -> None:
    """The same tokenizer with a token beyond 65,500, so that shards must be i32."""
    tokenizer = json.loads(narrow.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    shift = {token: number + 70_000 for token, number in vocabulary.items()}
    tokenizer["model"]["vocab"] = shift
    for added in tokenizer.get("added_tokens", []):
        added["id"] += 70_000
    wide.write_text(json.dumps(tokenizer), encoding="utf-8")


def own_reading(prefix: Path) -> list[np.ndarray]:
    """The documents of a Megatron pair, by shards/FORMAT.md."""
    index = prefix.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\0\0"
    _, code, sequences, _ = struct.unpack_from("<QBQQ", index, 9)
    dtype = {8: np.uint16, 4: np.int32}[code]
    lengths = np.frombuffer(index, "<i4", sequences, 34)
    tokens = np.fromfile(prefix.with_suffix(".bin"), dtype)
    assert lengths.sum() == len(tokens)
    return np.split(tokens, np.cumsum(lengths)[:-1])


def megatron(folder: Path, expected: dict) -> str:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    documents = 0
    for (domain, split), wanted in expected.items():
        found = IndexedDataset(str(folder / f"{domain}_{split}"))
        assert len(found) == len(wanted)
        assert list(found.document_indices) == list(range(len(wanted) + 1))
        for index, document in enumerate(wanted):
            assert np.array_equal(found[index], document)
        documents += len(wanted)
    return f"{documents} documents by megatron.core.datasets.indexed_dataset.IndexedDataset"


def nanogpt(folder: Path, expected: dict) -> str:
    tokens = 0
    for (domain, split), wanted in expected.items():
        name = {"train": "train.bin", "held-out": "val.bin"}[split]
        data = np.memmap(folder / domain / name, dtype=np.uint16, mode="r")  # train.py, get_batch
        assert np.array_equal(data, np.concatenate(wanted))
        tokens += len(data)
    return f"{tokens} tokens by numpy.memmap, as nanoGPT's train.py"


def llmc(folder: Path, expected: dict) -> str:
    tokens = 0
    for (domain, split), wanted in expected.items():
        path = folder / f"{domain}_{ {'train': 'train', 'held-out': 'val'}[split] }.bin"
        # train_gpt2.py, _load_data_shard: 256 int32, magic and version, then the tokens
        with path.open("rb") as file:
            header = np.frombuffer(file.read(256 * 4), dtype=np.int32)
            body = file.read()
        wide = wanted[0].dtype != np.uint16
        assert tuple(header[:2]) == ((20240801, 7) if wide else (20240520, 1))
        found = np.frombuffer(body, dtype=np.uint32 if wide else np.uint16)
        assert len(found) == header[2]
        assert np.array_equal(found.astype(np.int64), np.concatenate(wanted).astype(np.int64))
        tokens += len(found)
    return f"{tokens} tokens as llm.c's train_gpt2.py and dataloader.h read them"


def olmo(folder: Path, expected: dict) -> str:
    from olmo_core.data import NumpyFSLDataset

    tokens = 0
    for (domain, split), wanted in expected.items():
        joined = np.concatenate(wanted)
        dtype = np.uint16 if joined.dtype == np.uint16 else np.uint32
        found = NumpyFSLDataset(
            str(folder / domain / f"{split}.npy"),
            sequence_length=SEQUENCE,
            pad_token_id=0,
            eos_token_id=0,
            vocab_size=200_000,
            dtype=dtype,
        )
        found.prepare()
        assert len(found) == len(joined) // SEQUENCE
        for index in range(len(found)):
            block = found[index]["input_ids"].numpy()
            assert np.array_equal(block, joined[index * SEQUENCE : (index + 1) * SEQUENCE])
        tokens += len(found) * SEQUENCE
    return f"{tokens} tokens by olmo_core.data.NumpyFSLDataset"


def datatrove(folder: Path, expected: dict) -> str:
    from datatrove.utils.dataset import DatatroveFileDataset, DatatroveFolderDataset

    tokens = 0
    for (domain, split), wanted in expected.items():
        joined = np.concatenate(wanted)
        starts = np.cumsum([0] + [len(document) for document in wanted])
        positions = np.concatenate([np.arange(len(document)) for document in wanted])
        width = joined.dtype.itemsize
        place = folder / domain / split
        files = DatatroveFolderDataset(str(place), SEQUENCE - 1, token_size=width)
        file = DatatroveFileDataset(
            str(place / "000_00000.ds"), SEQUENCE - 1, token_size=width, return_positions=True
        )
        assert len(files) == len(file) == len(joined) // SEQUENCE
        for index in range(len(file)):
            window = slice(index * SEQUENCE, (index + 1) * SEQUENCE)
            item = file[index]
            assert np.array_equal(item["input_ids"].numpy(), joined[window].astype(np.int64))
            assert np.array_equal(files[index]["input_ids"].numpy(), joined[window].astype(np.int64))
            # Its positions count from the start of the window in the document that the window starts in.
            inside = positions[window].copy()
            first = np.searchsorted(starts, window.start, side="right") - 1
            head = starts[first + 1] - window.start
            inside[:head] -= inside[0]
            assert np.array_equal(item["positions"].numpy(), inside)
        tokens += len(file) * SEQUENCE
    return f"{tokens} tokens and positions by datatrove.utils.dataset"


def main() -> None:
    mixmake, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    corpus(folder)

    def run(*arguments: str) -> None:
        subprocess.run([str(mixmake), "-q", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    for name, tokenizer in (
        ("u16", 'train = "bpe"\nvocabulary = 400'),
        ("i32", 'file = "wide.json"'),
    ):
        (folder / "mixmake.toml").write_text(MANIFEST.format(tokenizer=tokenizer), encoding="utf-8")
        if name == "i32":
            wide_tokenizer(folder / "out/tokenizer/tokenizer.json", folder / "wide.json")
        run("run", "shards/*")
        if name == "u16":
            run("run", "tokenizer")
        layouts = [megatron, olmo, datatrove, llmc] + ([nanogpt] if name == "u16" else [])
        for layout in layouts:
            run("export", "--as", layout.__name__, "-o", f"{name}-{layout.__name__}", "--force")
        pairs = folder / f"{name}-megatron"
        expected = {
            (domain, split): own_reading(pairs / f"{domain}_{split}")
            for domain in ("one", "two")
            for split in ("train", "held-out")
        }
        assert all(documents[0].dtype == (np.uint16 if name == "u16" else np.int32) for documents in expected.values())
        for layout in layouts:
            print(f"{name} {layout.__name__}: equal, {layout(folder / f'{name}-{layout.__name__}', expected)}")


main()
