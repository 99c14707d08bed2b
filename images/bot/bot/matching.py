"""Which answer fits a question? Cosine of character trigrams, weighted by how rare each is."""

import math
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy

try:
    import torch
except ImportError:  # a base with requirements-small.txt
    torch = None

ANSWERS = Path(__file__).with_name("answers.toml")
UNKNOWN = "I do not know that; please ask a tutor."
# Below it, no entry is like the question.
LEAST = 0.25


@dataclass(frozen=True)
class Entry:
    questions: tuple[str, ...]
    answer: str


def read(path: Path = ANSWERS) -> list[Entry]:
    with path.open("rb") as file:
        entries = tomllib.load(file)["entry"]
    return [Entry(tuple(entry["questions"]), entry["answer"]) for entry in entries]


def backend() -> str:
    return "numpy" if torch is None else f"torch {torch.__version__}"


def trigrams(text: str) -> Counter[str]:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    padded = f"  {' '.join(words)} "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2)) if words else Counter()


class Matcher:
    def __init__(self, entries: list[Entry]) -> None:
        self.answers = [entry.answer for entry in entries for _ in entry.questions]
        counted = [trigrams(question) for entry in entries for question in entry.questions]
        self.columns = {gram: i for i, gram in enumerate(sorted(set().union(*counted)))}
        seen = Counter(gram for counts in counted for gram in counts)
        self.weights = {gram: 1 + math.log(len(counted) / n) for gram, n in seen.items()}
        self.matrix = numpy.stack([self.vector(counts) for counts in counted])

    def vector(self, counts: Counter[str]) -> numpy.ndarray:
        vector = numpy.zeros(len(self.columns), dtype=numpy.float32)
        for gram, count in counts.items():
            if gram in self.columns:
                vector[self.columns[gram]] = count * self.weights[gram]
        length = float(numpy.linalg.norm(vector))
        return vector / length if length else vector

    def scores(self, question: str) -> list[float]:
        vector = self.vector(trigrams(question))
        if torch is None:
            return (self.matrix @ vector).tolist()
        # Shared memory, no copies.
        return (torch.from_numpy(self.matrix) @ torch.from_numpy(vector)).tolist()

    def answer(self, question: str) -> str | None:
        """The answer of the entry that is most like `question`; nothing where none is."""
        scores = self.scores(question)
        best = max(range(len(scores)), key=scores.__getitem__)
        return self.answers[best] if scores[best] >= LEAST else None
