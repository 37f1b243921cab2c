"""The lines of graphKernel.ts in plain Python, byte for byte: its algorithm, from random streams to JSON.

The set is that of bench/dataGraph.ts: 15 nodes labelled out of 50, 30 edges, a shortest way of 2 to 4 edges,
traces in format `bfs`, seed 1. Words have 32 bits and no sign, and are masked where the kernel's wrap.
Usage: graph_port.py SECONDS prints lines per CPU second; graph_port.py --lines N prints the first N lines.
"""

import argparse
import hashlib
import sys
import time

NODES, LABELS, EDGES, SHORTEST, LONGEST = 15, 50, 30, 2, 4
SEED = 1
PAIRS = [(tail, head) for tail in range(NODES) for head in range(NODES) if tail != head]
WORDS = 2**32
MASK = WORDS - 1
KEY_ROUNDS = 3
HIGH_FACTOR, LOW_FACTOR = 0x1B56C4E9, 0x6AC690C5
SPLIT_SALT = 0x5E7A11
SEEN_SHARE, DEV_SHARE = 0.1, 0.05


def lowbias32(word):
    """The mixer of src/lib/mix.ts; takes a word, not any number."""
    word = (word ^ word >> 16) * 0x21F0AAAD & MASK
    word = (word ^ word >> 15) * 0x735A2D97 & MASK
    return word ^ word >> 15


def murmur_finalizer(word):
    word = (word ^ word >> 16) * 0x85EBCA6B & MASK
    word = (word ^ word >> 13) * 0xC2B2AE35 & MASK
    return word ^ word >> 16


def derive_seed(root, *path):
    """Four words out of the SHA-256 of typed parts with their lengths."""
    parts = [("n" if isinstance(part, int) else "s", str(part)) for part in (root, *path)]
    text = "".join(f"{kind}{len(part)}:{part};" for kind, part in parts)
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8, 12)]


def indexed_seed(seed, index):
    """The seed of item `index` of a stream of items."""
    a, b, c, d = seed
    low, high = index & MASK, index >> 32
    return (
        lane(low, high, a, b, c, d, 0x9E3779B9),
        lane(low, high, b, c, d, a, 0x7F4A7C15),
        lane(low, high, c, d, a, b, 0xF39CC060),
        lane(low, high, d, a, b, c, 0x5CEDC834),
    )


def lane(low, high, a, b, c, d, salt):
    of_index = lowbias32(lowbias32(lowbias32(salt ^ low) + a & MASK) ^ high)
    return lowbias32(lowbias32(lowbias32(of_index + b & MASK) + c & MASK) ^ d)


class Rng:
    """xoshiro128** with unbiased draws below a bound."""

    __slots__ = ("a", "b", "c", "d")

    def __init__(self, seed):
        self.a, self.b, self.c, self.d = seed
        # The all-zero state is the generator's one fixed point.
        if not any(seed):
            self.a = 0x9E3779B9

    def below(self, bound):
        """An integer in [0, bound)."""
        while True:
            a, b = self.a, self.b
            c, d = self.c ^ a, self.d ^ b
            self.a = a ^ d
            self.b = b ^ c
            self.c = c ^ b << 9 & MASK
            self.d = (d << 11 | d >> 21) & MASK
            word = b * 5 & MASK
            draw = (word << 7 | word >> 25) * 9 & MASK
            rest = draw % bound
            # Only whole blocks of `bound` values count.
            if draw - rest <= WORDS - bound:
                return rest


class Graph:
    """A graph with its query. Nodes are numbered by ascending labels; edges stand in the order of drawing."""

    __slots__ = ("distance", "edges", "goal", "labels", "neighbours", "parent", "reached", "start")


def draw(rng):
    """Draws graphs until one has a query whose shortest way has a fitting length."""
    graph = Graph()
    while True:
        # A dict keeps the order in which pairs came first.
        chosen = {}
        while len(chosen) < EDGES:
            chosen[PAIRS[rng.below(len(PAIRS))]] = None
        graph.edges = list(chosen)
        graph.neighbours = [[] for _ in range(NODES)]
        for tail, head in sorted(chosen):
            graph.neighbours[tail].append(head)
        graph.start = rng.below(NODES)
        measure(graph)
        fitting = [node for node in graph.reached if SHORTEST <= graph.distance[node] <= LONGEST]
        if fitting:
            graph.goal = fitting[rng.below(len(fitting))]
            graph.labels = draw_labels(rng)
            return graph


def measure(graph):
    """Walks from the start, breadth first: distances (-1: no way), parents, and what is reached, in order."""
    neighbours, start = graph.neighbours, graph.start
    distance = [-1] * NODES
    parent = [start] * NODES
    distance[start] = 0
    reached = [start]
    # The list grows while it is walked: it is the queue.
    for tail in reached:
        steps = distance[tail] + 1
        for head in neighbours[tail]:
            if distance[head] < 0:
                distance[head] = steps
                parent[head] = tail
                reached.append(head)
    graph.distance, graph.parent, graph.reached = distance, parent, reached


def draw_labels(rng):
    """Distinct labels out of the pool, ascending."""
    labels = set()
    while len(labels) < NODES:
        labels.add(rng.below(LABELS))
    return sorted(labels)


def canonical_key(graph):
    """The key of src/puzzle/graphKey.ts; no graph of this set is a star, whose names would count."""
    colours = refine(graph)
    start, goal = colours[graph.start], lowbias32(colours[graph.goal])
    high = start * HIGH_FACTOR + goal
    low = start * LOW_FACTOR + goal
    for tail, head in graph.edges:
        of_tail, of_head = colours[tail], colours[head]
        high += lowbias32(of_tail * HIGH_FACTOR + of_head & MASK)
        low += lowbias32(of_tail * LOW_FACTOR + of_head & MASK)
    return f"graph:{lowbias32(high & MASK):08x}{lowbias32(low & MASK):08x}"


def refine(graph):
    """Colours that depend on where a node stands, not on its number."""
    edges = graph.edges
    colours = [lowbias32(steps & MASK) for steps in graph.distance]
    colours[graph.goal] ^= MASK
    for _ in range(KEY_ROUNDS):
        mixed = [colour ^ colour >> 13 for colour in colours]
        of_heads = [0] * NODES
        of_tails = [0] * NODES
        for tail, head in edges:
            of_heads[tail] += colours[head]
            of_tails[head] += mixed[tail]
        colours = [
            lowbias32(colour * 0x1B56C4E9 + heads * 0x2C1B3C6D + tails * 0x297A2D39 & MASK)
            for colour, heads, tails in zip(colours, of_heads, of_tails, strict=True)
        ]
    return colours


def is_train(key):
    """Whether a problem belongs to the training split, by the hash of its key."""
    a = 0x9E3779B9 ^ SPLIT_SALT
    b = SPLIT_SALT * 0x85EBCA6B & MASK ^ len(key)
    for unit in key.encode():
        a = ((a << 13 | a >> 19) ^ unit) * 0xCC9E2D51 & MASK
        b = ((b << 17 | b >> 15) ^ unit) * 0x1B873593 & MASK
    return murmur_finalizer(a ^ murmur_finalizer(b)) / WORDS >= SEEN_SHARE + DEV_SHARE


def draw_train(seed, index):
    """The first graph of the index's stream that belongs to the training split."""
    rng = Rng(indexed_seed(seed, index))
    while True:
        graph = draw(rng)
        if is_train(canonical_key(graph)):
            return graph


def search(graph, names):
    """The trace's text, the way and the number of listed nodes."""
    last = graph.parent[graph.goal]
    told = []
    listed = 0
    for tail in graph.reached:
        heads = graph.neighbours[tail]
        told.append(f"{names[tail]},({','.join([names[head] for head in heads])})")
        listed += len(heads)
        if tail == last:
            break
    way = [names[graph.goal]]
    node = graph.goal
    while node != graph.start:
        node = graph.parent[node]
        way.append(names[node])
    back = ",".join(way)
    forward = ",".join(reversed(way))
    return f"<{','.join(told)}-{back}>={forward}", forward, listed


def line(seed, index):
    """Example `index` as a JSON line. Nothing in its texts needs escaping."""
    graph = draw_train(seed, index)
    names = [str(label) for label in graph.labels]
    edges = "|".join([f"{names[tail]},{names[head]}" for tail, head in graph.edges])
    text = f"{edges}/{names[graph.start]},{names[graph.goal]}"
    response, solution, listed = search(graph, names)
    return (
        f'{{"id":"train-{index:07}","problem":{{"puzzle":"graph","text":"{text}"}},"prompt":"{text}=",'
        f'"response":"{response}","spans":[[0,{len(response)}]],"trainEnd":true,"format":"bfs","solver":"bfs",'
        f'"origin":"trace","solved":true,"nodes":{listed},"solution":"{solution}"}}\n'
    ).encode()


def rate(seed, seconds):
    """Lines per CPU second."""
    begin = time.process_time()
    index = 0
    while time.process_time() - begin < seconds:
        for _ in range(64):
            line(seed, index)
            index += 1
    return index / (time.process_time() - begin)


def main():
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("seconds", nargs="?", type=float, metavar="SECONDS")
    what.add_argument("--lines", type=int, metavar="N")
    args = parser.parse_args()
    seed = derive_seed(SEED, "train", "problem")
    if args.lines is None:
        print(rate(seed, args.seconds))
        return
    for index in range(args.lines):
        sys.stdout.buffer.write(line(seed, index))


main()
