//! Strings that have broken tokenizers. Deterministic; the same on every machine.

/// All of them.
pub fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = FIXED.iter().map(|text| text.to_string()).collect();
    texts.extend(blocks());
    texts.extend(long());
    texts.extend((0..200).map(|seed| random(seed, 300)));
    texts
}

const FIXED: [&str; 34] = [
    "",
    " ",
    "  ",
    "\n",
    "\r\n\r\n",
    " \n \t\u{b}\u{c} x \u{85}\u{a0}\u{2003}y\u{3000}",
    "\0",
    "a\0b\0\0 \0",
    "don't won't I'll we've they're I'm he'd 'sun 'tis 'll' 're' ''s '''d 'S 'LL",
    "it\u{2019}s \u{2018}s n't",
    " 's  's   's\n's",
    "<|endoftext|>",
    "a<|endoftext|>b <|endoftext|><|endoftext|>",
    "[CLS] a [SEP] b [MASK][PAD] [UNK] [unused1] ##a [ C L S ]",
    "👩‍👩‍👧‍👦👍🏽🏳️‍🌈🇫🇷🇩🇪 1️⃣ ☺️☺︎",
    "e\u{301}\u{323} \u{323}\u{301}e n\u{303}\u{303}\u{303} Ṩ̇ ẛ̣ ﬁ ﬀ ǆ İ ı ß ẞ Σας ΣΑΣ",
    "한국어 각 \u{1100}\u{1161}\u{11a8} 한",
    "שלום \u{202e}abc\u{202c} مرحبا \u{200f}(\u{200e}) ١٢٣ ۴۵۶",
    "हिन्दी ไทย ខ្មែរ தமிழ் ꦗꦮ བོད་ \u{302e}\u{302f}가\u{302e}\u{302a}",
    "\u{1d15e}\u{1d15f}\u{1d165}\u{1d16d}\u{1d16e} 𝐀𝔅 𝟘𝟙 \u{16ff0}\u{16ff1}",
    "a\u{16ff0}\u{302e}\u{301}\u{1d165}b \u{302e}\u{1d165}\u{16ff0}",
    "漢字かなカナ，。！？「」𠀀𪜀\u{2f800}\u{f900}豈",
    "½ ² ³ ① Ⅷ 〇 ੩ ৳5 1,234.56e-7 0x1F",
    "\u{feff}BOM \u{fffd} \u{fffe} \u{ffff} \u{10ffff} \u{e000}\u{f8ff} \u{ad}soft",
    "\u{200b}zero\u{200b}width\u{2060}\u{200d}\u{200c}",
    "a\u{300}\u{0}\u{323} b\u{323}\u{7f}\u{300}",
    "ⅠⅡⅢ ªº µ ℡ Å ﷺ ㍿ ﬃ",
    "Ⴀ Ა ა Ꭰ ꭰ Ⰰ ⰰ 𐐀 𐐨 Ⱥ ⱥ",
    "$100 £5 €3 + = < > ^ ` | ~ @ # % & * _ \\ / \" '",
    "---===***...!!!???~~~",
    "    indented\n\tcode { return x->y[1] != 0x00; } // done   \n\n\n",
    "http://example.org/a?b=c&d=%20#e user@example.org",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé é",
];

/// Characters of every block, among letters, digits, spaces and marks.
fn blocks() -> impl Iterator<Item = String> {
    (0..0x11_0000u32).step_by(128).map(|start| {
        let picked = (0..128).step_by(5).filter_map(|i| char::from_u32(start + i));
        picked.fold(String::new(), |mut text, c| {
            text.extend([c, 'A', c, ' ', c, '1', '\u{301}', c, c, '\n']);
            text
        })
    })
}

/// What is quadratic for the careless.
fn long() -> [String; 6] {
    [
        "a".repeat(1 << 20),
        "xyz0".repeat(1 << 15),
        " ".repeat(1 << 16) + "x" + &" \n".repeat(1000),
        "!?".repeat(1 << 15),
        "\u{301}".repeat(5000),
        "東京🦀é".repeat(1 << 12),
    ]
}

const ALPHABET: [&str; 48] = [
    "a",
    "e",
    "the",
    "ing",
    "Z",
    "Q",
    "'",
    "'s",
    "'ll",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\t",
    "0",
    "12",
    "9",
    ".",
    ",",
    "!",
    "-",
    "_",
    "(",
    "<|endoftext|>",
    "[SEP]",
    "é",
    "ß",
    "ñ",
    "Ω",
    "я",
    "中",
    "가",
    "あ",
    "ا",
    "ש",
    "🦀",
    "👍🏽",
    "\u{301}",
    "\u{323}",
    "\u{302e}",
    "\u{200d}",
    "\u{a0}",
    "\u{2028}",
    "\u{0}",
    "\u{85}",
    "½",
    "\u{1d165}",
];

/// A random string of `pieces` pieces.
pub fn random(seed: u64, pieces: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    (0..pieces).map(|_| ALPHABET[next() % ALPHABET.len()]).collect()
}
