"""Lines of a graph dataset with breadth-first traces in plain Python: the peer of graphKernel.ts.

The same job, written as one would: 15 nodes labelled out of 50, 30 edges, a shortest way of 2 to 4 edges,
the trace in format `bfs`, one JSON line with the same fields; a stream of random numbers for each line, a key
that does not depend on names, and problems of the test splits left out by its hash.
With `--plain` without these last three: one stream, no key, no splits.
Usage: graph_bfs.py SECONDS [--plain]; prints lines per CPU second.
"""

import hashlib
import json
import random
import sys
import time
from collections import deque

NODES, LABELS, EDGES, SHORTEST, LONGEST = 15, 50, 30, 2, 4
ROUNDS, MASK, TEST_SHARE = 3, 2**64 - 1, 0.15
PAIRS = [(tail, head) for tail in range(NODES) for head in range(NODES) if tail != head]


def draw(rng):
    """Edges, out-neighbours by label, distances, and a query whose shortest way has a fitting length."""
    while True:
        labels = rng.sample(range(LABELS), NODES)
        edges = [(labels[tail], labels[head]) for tail, head in rng.sample(PAIRS, EDGES)]
        neighbours = {label: [] for label in labels}
        for tail, head in edges:
            neighbours[tail].append(head)
        for heads in neighbours.values():
            heads.sort()
        start = rng.choice(labels)
        distance = {start: 0}
        queue = deque([start])
        while queue:
            tail = queue.popleft()
            for head in neighbours[tail]:
                if head not in distance:
                    distance[head] = distance[tail] + 1
                    queue.append(head)
        fitting = [label for label, steps in distance.items() if SHORTEST <= steps <= LONGEST]
        if fitting:
            return edges, neighbours, distance, start, rng.choice(fitting)


def search(neighbours, start, goal):
    """The trace's text, the way and the number of listed nodes."""
    parents = {start: None}
    queue = deque([start])
    told = []
    listed = 0
    while goal not in parents:
        tail = queue.popleft()
        heads = neighbours[tail]
        told.append(f"{tail},({','.join(map(str, heads))})")
        listed += len(heads)
        for head in heads:
            if head not in parents:
                parents[head] = tail
                queue.append(head)
    way = []
    vertex = goal
    while vertex is not None:
        way.append(str(vertex))
        vertex = parents[vertex]
    forward = ",".join(reversed(way))
    return f"<{','.join(told)}-{','.join(way)}>={forward}", forward, listed


def canonical_key(edges, distance, start, goal):
    """Three rounds of colour refinement, hashed: equal for graphs that differ in names alone."""
    colour = {}
    for edge in edges:
        for label in edge:
            colour[label] = hash((distance.get(label, -1), label == goal))
    for _ in range(ROUNDS):
        out = dict.fromkeys(colour, 0)
        into = dict.fromkeys(colour, 0)
        for tail, head in edges:
            out[tail] += colour[head]
            into[head] += colour[tail]
        colour = {label: hash((colour[label], out[label], into[label])) for label in colour}
    total = sum(hash((colour[tail], colour[head])) for tail, head in edges)
    return f"graph:{hash((total, colour[start], colour[goal])) & MASK:016x}"


def draw_train(index):
    """The first graph of the index's stream that belongs to the training split."""
    rng = random.Random(f"train {index}")
    while True:
        problem = draw(rng)
        edges, _, distance, start, goal = problem
        key = canonical_key(edges, distance, start, goal)
        if hashlib.sha256(key.encode()).digest()[0] / 256 >= TEST_SHARE:
            return problem


def line(problem, index):
    """Example `index` as a JSON line."""
    edges, neighbours, _, start, goal = problem
    text = "|".join(f"{tail},{head}" for tail, head in edges) + f"/{start},{goal}"
    response, solution, listed = search(neighbours, start, goal)
    example = {
        "id": f"train-{index:07}",
        "problem": {"puzzle": "graph", "text": text},
        "prompt": text + "=",
        "response": response,
        "spans": [[0, len(response)]],
        "trainEnd": True,
        "format": "bfs",
        "solver": "bfs",
        "origin": "trace",
        "solved": True,
        "nodes": listed,
        "solution": solution,
    }
    return json.dumps(example, separators=(",", ":")).encode() + b"\n"


def main():
    seconds = float(sys.argv[1])
    plain = "--plain" in sys.argv
    rng = random.Random(1)
    begin = time.process_time()
    index = 0
    while time.process_time() - begin < seconds:
        for _ in range(64):
            line(draw(rng) if plain else draw_train(index), index)
            index += 1
    print(index / (time.process_time() - begin))


main()
