"""The voices of a session: one mean vector for each, however long it lasts. Some may be known
before anybody speaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamer.audio.arrays import Floats


class Voices:
    """At most so many that nobody knew; their labels count up in the order in which they were
    added, behind those of known ones."""

    def __init__(
        self,
        most: int,
        memory: float,
        first_label: int = 0,
        known: Sequence[Floats] = (),
        known_weight: float = 1,
    ) -> None:
        """
        Args:
            most: voices that may be heard.
            memory: vectors that a mean holds; then older ones fade.
            first_label: of the first voice that is not known.
            known: means [D] of voices that may come, with the labels 0, 1, 2 …
            known_weight: vectors that each of them stands for.
        """
        self._most = most
        self._memory = memory
        self._first_label = max(first_label, len(known))
        self._n_known = len(known)
        self._sums: list[Floats] = [mean * np.float32(known_weight) for mean in known]
        self._weights: list[float] = [known_weight] * len(known)
        self._heard: set[int] = set()

    def __len__(self) -> int:
        return len(self._sums)

    @property
    def room(self) -> int:
        """How many more there may be. Who is known and has not come takes none."""
        return self._most - len(self._heard)

    @property
    def heard(self) -> frozenset[int]:
        """Indices of those that have spoken."""
        return frozenset(self._heard)

    @property
    def means(self) -> Floats:
        """[voices, D]. They are shorter than 1, by as much as a voice's vectors differ: the product
        with another mean is the mean similarity of all pairs, however many there are."""
        if not self._sums:
            return np.zeros((0, 0), np.float32)
        weights = np.array(self._weights, np.float32)
        return np.asarray(np.stack(self._sums) / weights[:, None], np.float32)

    def label(self, index: int) -> int:
        """Of the voice that is, or will be, at `index`."""
        return index if index < self._n_known else self._first_label + index - self._n_known

    def learn(self, index: int, vectors: Floats) -> None:
        """Vectors of that voice; the next index adds one.

        Args:
            vectors: [N, D].
        """
        if index == len(self._sums):
            self._sums.append(np.zeros(vectors.shape[1], np.float32))
            self._weights.append(0.0)
        self._heard.add(index)
        before = self._weights[index]
        kept = min(before, max(0.0, self._memory - len(vectors)))
        faded = np.float32(kept / max(before, 1.0))
        self._sums[index] = self._sums[index] * faded + vectors.sum(axis=0)
        self._weights[index] = kept + len(vectors)


def unit(vectors: Floats) -> Floats:
    """Brought to length 1, row by row; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def groups(vectors: Floats, same: float) -> list[list[int]]:
    """Rows that belong together: the two groups most similar by the mean of all their pairs are
    joined, while that is `same` at least.

    Args:
        vectors: [N, D], each of length 1.

    Returns:
        Indices, the groups in the order of their first rows.
    """
    members = [[row] for row in range(len(vectors))]
    sums = vectors.copy()
    while len(members) > 1:
        counts = np.array([len(group) for group in members], np.float32)
        similar = (sums @ sums.T) / np.outer(counts, counts)
        np.fill_diagonal(similar, -2.0)
        first, second = sorted(divmod(int(similar.argmax()), len(members)))
        if similar[first, second] < same:
            break
        members[first] = sorted(members[first] + members.pop(second))
        sums[first] += sums[second]
        sums = np.delete(sums, second, axis=0)
    return sorted(members)
