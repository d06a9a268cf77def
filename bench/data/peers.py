#!/usr/bin/env python3
"""One way to turn JSON Lines (.zst) into token ids, as its project does it, on one core.

peers.py WAY TOKENIZER.json OUTPUT_FOLDER DOMAIN_FOLDER...   texts are cut to 1000 characters; prints the number of tokens

Each function is the loop its project publishes, in its own calls; only paths and the cut are ours. GPT-2's ranks for
tiktoken come from the same tokenizer.json, since tiktoken would download them.
"""
import glob
import io
import json
import os
import struct
import sys

os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
CUT = 1000


def parts(folder):
    return sorted(glob.glob(os.path.join(folder, "part-*")))


def tiktoken_gpt2(path):
    import tiktoken
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    to_byte = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
    vocabulary = json.load(open(path))["model"]["vocab"]
    special = {"<|endoftext|>": vocabulary.pop("<|endoftext|>")}
    ranks = {bytes(to_byte[c] for c in token): id for token, id in vocabulary.items()}
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    return tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)


def rows(folder):
    import orjson
    import zstandard
    for path in parts(folder):
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for line in io.BufferedReader(stream, 1 << 20):
                yield orjson.loads(line)["text"][:CUT]


def loop(encode):
    """The best hand-written loop: zstandard, orjson, a tokenizer in batches, numpy."""
    def run(tokenizer, output, folders):
        import numpy
        encode_batch, total = encode(tokenizer), 0
        for folder in folders:
            with open(os.path.join(output, os.path.basename(folder) + ".bin"), "wb") as out:
                batch = []
                for text in rows(folder):
                    batch.append(text)
                    if len(batch) == 256:
                        total += write(out, encode_batch(batch), numpy)
                        batch = []
                total += write(out, encode_batch(batch), numpy)
        return total
    return run


def write(out, batch, numpy):
    for ids in batch:
        numpy.asarray(ids, dtype=numpy.uint16).tofile(out)
    return sum(map(len, batch))


def with_tiktoken(path):
    encoding = tiktoken_gpt2(path)
    return lambda batch: [encoding.encode_ordinary(text) for text in batch]


def with_tokenizers(path):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(path)
    return lambda batch: [e.ids for e in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]


def datasets(tokenizer, output, folders):
    """The paper's way: load_dataset, map a fast tokenizer in batches, save."""
    import datasets
    encode, total = with_tokenizers(tokenizer), 0
    for folder in folders:
        data = datasets.load_dataset("json", data_files=parts(folder), split="train", cache_dir=os.path.join(output, "cache"))
        data = data.select_columns(["text"]).map(
            lambda batch: {"input_ids": encode([text[:CUT] for text in batch["text"]])}, batched=True, remove_columns=["text"])
        data.save_to_disk(os.path.join(output, os.path.basename(folder)))
        total += sum(map(len, data["input_ids"]))
    return total


def nanogpt(tokenizer, output, folders):
    """data/openwebtext/prepare.py: datasets.map of tiktoken a document at a time, then a memmap written by shards."""
    import datasets
    import numpy
    encoding, total = tiktoken_gpt2(tokenizer), 0

    def process(example):
        ids = encoding.encode_ordinary(example["text"][:CUT])
        ids.append(encoding.eot_token)
        return {"ids": ids, "len": len(ids)}

    for folder in folders:
        data = datasets.load_dataset("json", data_files=parts(folder), split="train", cache_dir=os.path.join(output, "cache"))
        data = data.select_columns(["text"]).map(process, remove_columns=["text"])
        length = int(numpy.sum(data["len"], dtype=numpy.uint64))
        out = numpy.memmap(os.path.join(output, os.path.basename(folder) + ".bin"), dtype=numpy.uint16, mode="w+", shape=(length,))
        at, shards = 0, 16
        for i in range(shards):
            batch = data.shard(num_shards=shards, index=i, contiguous=True).with_format("numpy")
            joined = numpy.concatenate(batch["ids"])
            out[at:at + len(joined)] = joined
            at += len(joined)
        out.flush()
        total += length - len(data)
    return total


def megatron(tokenizer, output, folders):
    """tools/preprocess_data.py with one worker: json.loads a line, encode it, one item and one document of the index."""
    import numpy
    import zstandard
    from tokenizers import Tokenizer
    tokenizer, total = Tokenizer.from_file(tokenizer), 0
    for folder in folders:
        name, lengths = os.path.join(output, os.path.basename(folder)), []
        with open(name + ".bin", "wb") as out:
            for path in parts(folder):
                with zstandard.open(path, "rt", encoding="utf-8") as lines:
                    for line in lines:
                        ids = tokenizer.encode(json.loads(line)["text"][:CUT], add_special_tokens=False).ids
                        out.write(numpy.array(ids, dtype=numpy.uint16).tobytes(order="C"))
                        lengths.append(len(ids))
        with open(name + ".idx", "wb") as out:
            out.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, len(lengths), len(lengths) + 1))
            sizes = numpy.array(lengths, dtype=numpy.int32)
            pointers = numpy.concatenate([[0], numpy.cumsum(sizes[:-1], dtype=numpy.int64) * 2]).astype(numpy.int64)
            out.write(sizes.tobytes() + pointers.tobytes() + numpy.arange(len(lengths) + 1, dtype=numpy.int64).tobytes())
        total += sum(lengths)
    return total


def datatrove(tokenizer, output, folders):
    """JsonlReader and DocumentTokenizer under the local executor, one task."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    def cut(documents, rank=0, world_size=1):
        for document in documents:
            document.text = document.text[:CUT]
            yield document

    total = 0
    for folder in folders:
        out = os.path.join(output, os.path.basename(folder))
        LocalPipelineExecutor(pipeline=[
            JsonlReader(folder, glob_pattern="part-*", compression="zstd"), cut,
            DocumentTokenizer(output_folder=out, tokenizer_name_or_path=tokenizer, eos_token=None, shuffle_documents=False),
        ], tasks=1, logging_dir=os.path.join(output, "logs", os.path.basename(folder))).run()
        total += sum(os.path.getsize(path) for path in glob.glob(out + "/*.ds")) // 2
    return total


WAYS = {"datasets": datasets, "nanogpt": nanogpt, "megatron": megatron, "datatrove": datatrove,
        "loop+tiktoken": loop(with_tiktoken), "loop+tokenizers": loop(with_tokenizers)}

if __name__ == "__main__":
    way, tokenizer, output, *folders = sys.argv[1:]
    print(WAYS[way](tokenizer, output, folders))
