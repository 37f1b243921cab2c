# One completion while it grows: its tokens, log-probabilities, and whether it has come to an end. No tensor
# library.
"""Completions, stop texts, chunks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtrail_worker.model.tokenizer import TextSide
from backtrail_worker.protocol import FINISH_CONTEXT, FINISH_END, FINISH_LENGTH, FINISH_STOP, Arrays


@dataclass
class Completion:
    """Grows by one token at a time; `finish` is set at the end."""

    index: int
    seed: int
    budget: int
    room: int
    """Tokens that the model's context leaves after the prefix."""
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sampled: list[float] = field(default_factory=list)
    finish: int | None = None
    tail: bytes = b""

    def __post_init__(self) -> None:
        self._most = min(self.budget, self.room)

    def start(self) -> None:
        """Ends at once a completion that may have no token."""
        if self._most <= 0:
            self.finish = self._full()

    def _full(self) -> int:
        return FINISH_LENGTH if self.budget <= self.room else FINISH_CONTEXT

    def add(self, token: int, logprob: float, sampled: float, stops: Stops, ends: frozenset[int]) -> bool:
        """
        Takes the next token; whether the completion has come to its end. The end token is not kept; the token
        that completes a stop text is.
        """
        if token in ends:
            self.finish = FINISH_END
            return True
        self.tokens.append(token)
        self.logprobs.append(logprob)
        self.sampled.append(sampled)
        if stops.reached(self):
            self.finish = FINISH_STOP
        elif len(self.tokens) >= self._most:
            self.finish = self._full()
        return self.finish is not None

    def fill(
        self,
        tokens: list[int],
        logprobs: list[float],
        sampled: list[float],
        stops: Stops,
        ends: frozenset[int],
    ) -> None:
        """Takes what another engine has decoded, up to this completion's own end."""
        for token, logprob, as_sampled in zip(tokens, logprobs, sampled, strict=True):
            if self.add(token, logprob, as_sampled, stops, ends):
                return
        if self.finish is None:
            self.finish = self._full()


class Stops:
    """Whether the decoded text of a completion ends in one of the stop texts."""

    def __init__(self, stops: list[str], text: TextSide) -> None:
        self._stops = tuple(stop.encode() for stop in stops if stop)
        self._texts = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)
        self._text = text

    def reached(self, completion: Completion) -> bool:
        """To be asked once after each token: it carries the last bytes of the text along."""
        if not self._stops:
            return False
        piece = self._text.piece(completion.tokens[-1])
        if piece is None:
            # This decoder looks at neighbours: decode a tail that surely holds the longest stop.
            return self._text.decode(completion.tokens[-(self._longest + 8) :]).endswith(self._texts)
        completion.tail = (completion.tail + piece)[-self._longest :]
        return bool(piece) and completion.tail.endswith(self._stops)


def pack_chunk(done: list[Completion], text: TextSide) -> tuple[list[str], Arrays]:
    """Finished completions -> texts and bins of one chunk (primitives.ts, generate)."""
    done = sorted(done, key=lambda item: item.index)
    texts: list[str] = []
    ends: list[int] = []
    for item in done:
        decoded, token_ends = text.decode_with_ends(item.tokens)
        texts.append(decoded)
        ends += token_ends
    arrays: Arrays = {
        "completion": np.array([item.index for item in done], dtype=np.int32),
        "lengths": np.array([len(item.tokens) for item in done], dtype=np.int32),
        "finish": np.array([item.finish for item in done], dtype=np.uint8),
        "tokens": np.array([token for item in done for token in item.tokens], dtype=np.int32),
        "logprobs": np.array([value for item in done for value in item.logprobs], dtype=np.float32),
        "sampledLogprobs": np.array([value for item in done for value in item.sampled], dtype=np.float32),
        "charEnds": np.array(ends, dtype=np.int32),
    }
    return texts, arrays
