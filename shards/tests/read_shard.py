#!/usr/bin/env python3
"""An independent reader of mixmake's shards and an independent computation of its hash rules.

Written from FORMAT.md alone, with the standard library alone. Usage:
  read_shard.py shard BIN IDX      print dtype, documents and sequences as JSON
  read_shard.py sidecar FILE       print header and provenance as JSON
  read_shard.py vectors            print the test vectors of FORMAT.md as JSON
  read_shard.py rules              read cases as JSON on stdin, print results as JSON
"""
import json
import struct
import sys

# ---- BLAKE3 (specification section 2), derive-key mode, output of at most 64 bytes ----
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTE = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT, DERIVE_CONTEXT, DERIVE_MATERIAL = 1, 2, 4, 8, 32, 64
WORD = 0xFFFFFFFF


def mix(v, a, b, c, d, x, y):
    def rotate(word, by):
        return (word >> by) | (word << (32 - by)) & WORD
    v[a] = (v[a] + v[b] + x) & WORD
    v[d] = rotate(v[d] ^ v[a], 16)
    v[c] = (v[c] + v[d]) & WORD
    v[b] = rotate(v[b] ^ v[c], 12)
    v[a] = (v[a] + v[b] + y) & WORD
    v[d] = rotate(v[d] ^ v[a], 8)
    v[c] = (v[c] + v[d]) & WORD
    v[b] = rotate(v[b] ^ v[c], 7)


def compress(key, block, counter, length, flags):
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    v = key + IV[:4] + [counter & WORD, counter >> 32, length, flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate([(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                                          (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]):
            mix(v, a, b, c, d, words[2 * i], words[2 * i + 1])
        words = [words[i] for i in PERMUTE]
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ key[i] for i in range(8)]


def tree(key, data, counter, flags):
    """The last, not yet compressed node over `data`: (key, block, counter, length, flags)."""
    if len(data) <= 1024:
        blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
        value = key
        for i, block in enumerate(blocks):
            node_flags = flags | (CHUNK_START if i == 0 else 0) | (CHUNK_END if i == len(blocks) - 1 else 0)
            node = (value, block, counter, len(block), node_flags)
            if i < len(blocks) - 1:
                value = compress(*node)[:8]
        return node
    chunks = (len(data) + 1023) // 1024
    left = 1 << ((chunks - 1).bit_length() - 1)
    values = compress(*tree(key, data[:left * 1024], counter, flags))[:8]
    values += compress(*tree(key, data[left * 1024:], counter + left, flags))[:8]
    return (key, struct.pack("<16I", *values), 0, 64, flags | PARENT)


def blake3(key, data, flags, size):
    value, block, _, length, node_flags = tree(key, data, 0, flags)
    return struct.pack("<16I", *compress(value, block, 0, length, node_flags | ROOT))[:size]


def derive_key(context, material, size=32):
    key = blake3(IV, context.encode(), DERIVE_CONTEXT, 32)
    return blake3(list(struct.unpack("<8I", key)), material, DERIVE_MATERIAL, size)


# ---- The rules of FORMAT.md ----
def u64(number):
    return struct.pack("<Q", number)


def document_hash(text):
    return derive_key("mixmake v1 document", text.encode())


def block_start(document, chars, block_chars):
    random = struct.unpack("<Q", derive_key("mixmake v1 block", document)[:8])[0]
    return random * (max(chars - block_chars, 0) + 1) >> 64


def samples(text, block, size, min_chars):
    """Section 6: (start, text) of each sample of a document; none where section 4 drops it."""
    if len(text) < max(min_chars, 1):
        return []
    if block == "first":
        return [(0, text[:size])]
    if block == "random":
        start = block_start(document_hash(text), len(text), size)
        return [(start, text[start:start + size])]
    if block == "every":
        pieces = [(at, text[at:at + size]) for at in range(0, len(text), size)]
        return [(at, piece) for at, piece in pieces if len(piece) == size or len(piece) >= max(min_chars, 1)]
    return [(0, text)]


def split(texts, held_out, drop_duplicates, max_documents):
    """Section 5: held out and training texts of one file, a row each, in their order."""
    ordered = sorted((document_hash(text), row, text) for row, text in enumerate(texts))
    if drop_duplicates:
        ordered = [item for i, item in enumerate(ordered) if i == 0 or item[0] != ordered[i - 1][0]]
    if held_out == 1.0 and isinstance(held_out, float):
        count = len(ordered)
    elif isinstance(held_out, float):
        limit = int(held_out * 2.0 ** 64)
        count = sum(int.from_bytes(item[0][:8], "big") < limit for item in ordered)
    else:
        count = min(held_out, len(ordered))
        while 0 < count < len(ordered) and ordered[count][0] == ordered[count - 1][0]:
            count += 1
    rest = ordered[count:]
    return [text for _, _, text in ordered[:count]], [text for _, _, text in rest[:max_documents]]


class Permutation:
    def __init__(self, n, key):
        output = derive_key("mixmake v1 permutation", key + u64(n), 64)
        self.n, self.round_keys = n, struct.unpack("<8Q", output)
        self.half = max(1, (max(n - 1, 0).bit_length() + 1) // 2)
        self.mask = (1 << self.half) - 1

    def round(self, half, round_key):
        word = (half + round_key) & 0xFFFFFFFFFFFFFFFF
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        word = (word ^ word >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        return (word ^ word >> 31) & self.mask

    def get(self, value):
        while True:
            left, right = value >> self.half, value & self.mask
            for round_key in self.round_keys:
                left, right = right, left ^ self.round(right, round_key)
            value = left << self.half | right
            if value < self.n:
                return value


def locate(mixture, epoch, i):
    seed, parts = mixture["seed"], mixture["parts"]
    total = sum(part["units"] for part in parts)
    position = Permutation(total, derive_key("mixmake v1 epoch order", u64(seed) + u64(epoch))).get(i)
    for j, part in enumerate(parts):
        if position < part["units"]:
            repeat, within = divmod(position, part["units-available"])
            key = derive_key("mixmake v1 unit order", u64(seed) + u64(repeat) + part["shard"].encode())
            return [j, Permutation(part["units-available"], key).get(within)]
        position -= part["units"]


# ---- The files of FORMAT.md ----
def read_shard(bin_path, idx_path):
    idx, tokens = open(idx_path, "rb").read(), open(bin_path, "rb").read()
    magic, version, code, sequences, boundaries = struct.unpack_from("<9sQBQQ", idx)
    assert magic == b"MMIDIDX\0\0" and version == 1, "not a version 1 index"
    dtype, letter, width = {8: ("u16", "H", 2), 4: ("i32", "i", 4)}[code]
    at = struct.calcsize("<9sQBQQ")
    lengths = struct.unpack_from(f"<{sequences}i", idx, at)
    offsets = struct.unpack_from(f"<{sequences}q", idx, at + 4 * sequences)
    documents = struct.unpack_from(f"<{boundaries}q", idx, at + 12 * sequences)
    assert len(idx) == at + 12 * sequences + 8 * boundaries, "sizes disagree"
    assert sum(lengths) * width == len(tokens), "the pair does not belong together"
    return {"dtype": dtype, "documents": list(documents),
            "sequences": [list(struct.unpack_from(f"<{n}{letter}", tokens, o)) for n, o in zip(lengths, offsets)]}


def read_sidecar(path):
    data = open(path, "rb").read()
    end = data.index(b"\n") + 1
    header = json.loads(data[:end])
    assert end % 8 == 0 and len(data) == end + 24 * header["documents"], "sizes disagree"
    records = [struct.unpack_from("<QQQ", data, end + 24 * i) for i in range(header["documents"])]
    return {"header": header, "samples": [[header["sources"][s], row, start] for s, row, start in records]}


# ---- Vectors ----
TEXTS = ["", "a", "The quick brown fox", "Zürich 東京 🦀", "x" * 1024, "x" * 1025, "mixmake " * 1000]


CUTS = [(3, "first", 3, 0), (3, "random", 3, 0), (3, "every", 3, 0), (3, "every", 3, 3), (3, "whole", 3, 0), (3, "first", 20, 12),
        (4, "first", 1000, 1000), (5, "every", 1000, 1000), (5, "every", 1000, 25), (6, "random", 1000, 1000), (6, "every", 3000, 1000)]
SPLITS = [(0, False, None), (5, False, None), (3, True, 4), (0.25, False, None), (0.5, True, None)]


def cut_vector(text, block, size, min_chars):
    found = [[start, len(sample), sample[:19]] for start, sample in samples(text, block, size, min_chars)]
    return {"text": text[:19], "chars": len(text), "block": block, "block-chars": size, "min-chars": min_chars, "samples": found}


def split_vector(texts, held_out, drop_duplicates, max_documents):
    held, train = split(texts, held_out, drop_duplicates, max_documents)
    return {"held-out": held_out, "drop-duplicates": drop_duplicates, "max-documents": max_documents, "held": held, "train": train}


def vectors():
    split_texts = [str(i % 10) for i in range(12)] + ["Zürich"]
    mixture = {"seed": 7, "parts": [{"shard": "aa", "units": 5, "units-available": 8},
                                    {"shard": "bb", "units": 0, "units-available": 3},
                                    {"shard": "cc", "units": 7, "units-available": 3}]}
    key = derive_key("mixmake v1 epoch order", u64(1) + u64(0))
    return {
        "documents": [{"text": text[:19], "chars": len(text), "hash": document_hash(text).hex(),
                       "block-start-of-3": block_start(document_hash(text), len(text), 3)} for text in TEXTS],
        "samples": [cut_vector(TEXTS[i], *rule) for i, *rule in CUTS],
        "splits": {"texts": split_texts, "rules": [split_vector(split_texts, *rule) for rule in SPLITS]},
        "permutations": [{"n": n, "key": key.hex(), "first": [Permutation(n, key).get(i) for i in range(min(n, 8))]}
                         for n in (1, 2, 5, 10, 1000, 10 ** 9, 2 ** 64 - 1)],
        "order": {"mixture": mixture, "epochs": [[locate(mixture, e, i) for i in range(12)] for e in range(2)]},
    }


def rules(cases):
    return {
        "documents": [[document_hash(t).hex(), block_start(document_hash(t), len(t), n)] for t, n in cases["documents"]],
        "permutations": [[Permutation(n, bytes.fromhex(key)).get(i) for i in indices]
                         for n, key, indices in cases["permutations"]],
    }


def main(arguments):
    command, *files = arguments or [""]
    if command == "shard" and len(files) == 2:
        result = read_shard(*files)
    elif command == "sidecar" and len(files) == 1:
        result = read_sidecar(*files)
    elif command == "vectors":
        result = vectors()
    elif command == "rules":
        result = rules(json.loads(sys.stdin.buffer.read()))
    else:
        sys.exit(__doc__)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
