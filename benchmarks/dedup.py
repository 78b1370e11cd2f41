"""MinHash dedup: datasketch against ours, the same n-grams, threshold and number of permutations.

Rows: a file, by default made-up ones (48,000, a third of them an earlier row with a few words changed). Rounds
alternate, and the median counts. datasketch gets its bulk interface, the fastest that it has.
"""

import argparse
import random
import re
import statistics
import time

from leaven.lift.selectors import minhash

ROWS, ROUNDS = 48_000, 3


def made_up(count: int) -> list[str]:
    rng = random.Random(0)
    words = [f"word{i}" for i in range(20_000)]
    texts: list[str] = []
    for _ in range(count):
        if texts and rng.random() < 0.3:
            text = rng.choice(texts).split()
            for _ in range(rng.randrange(6)):
                text[rng.randrange(len(text))] = rng.choice(words)
        else:
            text = [words[min(19_999, int(rng.paretovariate(0.6)))] for _ in range(rng.randrange(10, 110))]
        texts.append(" ".join(text))
    return texts


def from_file(path: str) -> list[str]:
    from leaven.rows import files
    from leaven.rows.texts import strings

    return list(strings(files.read(path).kept))


def theirs(texts: list[str], config: minhash.Config) -> tuple[float, set[int]]:
    from datasketch import MinHash, MinHashLSH

    began = time.perf_counter()
    grams = []
    for text in texts:
        words = re.findall(minhash.WORD, text.casefold()) or [text]
        joined = [" ".join(words[i : i + config.ngram]) for i in range(max(1, len(words) - config.ngram + 1))]
        grams.append([gram.encode() for gram in set(joined)])
    signatures = MinHash.bulk(grams, num_perm=config.permutations)
    index = MinHashLSH(threshold=config.threshold, num_perm=config.permutations)
    dropped = set()
    for row, signature in enumerate(signatures):
        near = index.query(signature)
        if any(signature.jaccard(signatures[other]) >= config.threshold for other in near):
            dropped.add(row)
        else:
            index.insert(row, signature)
    return time.perf_counter() - began, dropped


def ours(texts: list[str], config: minhash.Config) -> tuple[float, set[int]]:
    began = time.perf_counter()
    found = minhash.near_copies([texts], config)
    return time.perf_counter() - began, set(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", default="")
    parser.add_argument("--rows", type=int, default=ROWS)
    flags = parser.parse_args()
    texts, config = from_file(flags.file) if flags.file else made_up(flags.rows), minhash.Config()
    ours(texts[:100], config)
    rounds = [(theirs(texts, config), ours(texts, config)) for _ in range(ROUNDS)]
    slow, quick = (statistics.median(one[side][0] for one in rounds) for side in (0, 1))
    (_, their_drops), (_, our_drops) = rounds[0]
    print(f"minhash, {len(texts):,} rows: datasketch {slow:.1f} s, {len(their_drops):,} near copies · "
          f"leaven {quick:.1f} s, {len(our_drops):,} · {slow / quick:.1f} times as fast "
          f"(rounds {', '.join(f'{a[0] / b[0]:.1f}' for a, b in rounds)}), "
          f"{len(their_drops & our_drops):,} in common")  # fmt: skip


if __name__ == "__main__":
    main()
