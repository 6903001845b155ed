"""Sequences, optionals and strings."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


# ---- sequences ---------------------------------------------------------------------------------


@operator("SequenceConstruct")
def sequence_construct(a: Attributes, *items: Any) -> list[Any]:
    return list(items)


@operator("SequenceEmpty")
def sequence_empty(a: Attributes) -> list[Any]:
    return []


@operator("SequenceInsert")
def sequence_insert(
    a: Attributes, sequence: list[Any], item: Any, position: _Tensor | None = None
) -> list[Any]:
    at = len(sequence) if position is None else int(position.item())
    n = len(sequence)
    if not -n <= at <= n:
        raise IndexError(f"position {at} is outside of a sequence of {n}")
    at = at + n if at < 0 else at
    return [*sequence[:at], item, *sequence[at:]]


@operator("SequenceErase")
def sequence_erase(
    a: Attributes, sequence: list[Any], position: _Tensor | None = None
) -> list[Any]:
    at = -1 if position is None else int(position.item())
    at = at + len(sequence) if at < 0 else at
    if not 0 <= at < len(sequence):
        raise IndexError(f"position {at} is outside of a sequence of {len(sequence)}")
    return [*sequence[:at], *sequence[at + 1 :]]


@operator("SequenceAt")
def sequence_at(a: Attributes, sequence: list[Any], position: _Tensor) -> Any:
    return sequence[int(position.item())]


@operator("SequenceLength", host=True)
def sequence_length(a: Attributes, sequence: list[Any]) -> _Tensor:
    return torch.tensor(len(sequence), dtype=torch.int64)


@operator("SplitToSequence")
def split_to_sequence(a: Attributes, x: _Tensor, sizes: _Tensor | None = None) -> list[Any]:
    axis = a.get("axis", 0)
    if sizes is None:
        parts = list(torch.split(x, 1, axis))
        if not a.get("keepdims", 1):
            parts = [part.squeeze(axis) for part in parts]
        return parts
    return list(torch.split(x, int(sizes.item()) if sizes.dim() == 0 else sizes.tolist(), axis))


@operator("ConcatFromSequence")
def concat_from_sequence(a: Attributes, sequence: list[Any]) -> _Tensor:
    if a.get("new_axis", 0):
        return torch.stack(sequence, a["axis"])
    return torch.cat(sequence, a["axis"])


# ---- optionals ---------------------------------------------------------------------------------


@operator("Optional")
def optional(a: Attributes, value: Any = None) -> Any:
    return value


@operator("OptionalHasElement", host=True)
def optional_has_element(a: Attributes, value: Any = None) -> _Tensor:
    return torch.tensor(value is not None)


@operator("OptionalGetElement")
def optional_get_element(a: Attributes, value: Any) -> Any:
    if value is None:
        raise ValueError("the optional is empty")
    return value


# ---- strings -----------------------------------------------------------------------------------


def _objects(items: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


@operator("StringConcat")
def string_concat(a: Attributes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.add(x, y), dtype=object)


@operator("RegexFullMatch", host=True)
def regex_full_match(a: Attributes, x: np.ndarray) -> _Tensor:
    pattern = re.compile(a["pattern"])
    found = [pattern.fullmatch(text) is not None for text in x.ravel().tolist()]
    return torch.tensor(found, dtype=torch.bool).reshape(x.shape)


@operator("StringSplit", many=True, host=True)
def string_split(a: Attributes, x: np.ndarray) -> tuple[np.ndarray, _Tensor]:
    delimiter = a.get("delimiter") or None
    limit = a.get("maxsplit", -1)
    rows = [text.split(delimiter, limit) if text else [] for text in x.ravel().tolist()]
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int64).reshape(x.shape)
    width = max(map(len, rows), default=0)
    padded = [word for row in rows for word in row + [""] * (width - len(row))]
    return _objects(padded, (*x.shape, width)), counts


@operator("StringNormalizer")
def string_normalizer(a: Attributes, x: np.ndarray) -> np.ndarray:
    case = a.get("case_change_action", "NONE")
    sensitive = bool(a.get("is_case_sensitive", 0))
    stop = set(a.get("stopwords", ()))
    if not sensitive:
        stop = {word.lower() for word in stop}
    words = [
        word for word in x.ravel().tolist() if (word if sensitive else word.lower()) not in stop
    ]
    change = {"LOWER": str.lower, "UPPER": str.upper}.get(case, str)
    words = [change(word) for word in words] or [""]
    return _objects(words, (*x.shape[:-1], len(words)))


# ---- n-grams -----------------------------------------------------------------------------------


def _vocabulary(a: Attributes) -> dict[tuple[Any, ...], int]:
    """Each n-gram of the pool, with its number."""
    pool: list[Any] = a.get("pool_strings") or a["pool_int64s"]
    starts = [*a["ngram_counts"], len(pool)]
    grams: dict[tuple[Any, ...], int] = {}
    for n, (first, last) in enumerate(zip(starts, starts[1:], strict=False), start=1):
        for at in range(first, last, n):
            grams[tuple(pool[at : at + n])] = len(grams)
    return grams


@operator("TfIdfVectorizer", host=True)
def tf_idf_vectorizer(a: Attributes, x: Any) -> _Tensor:
    grams = _vocabulary(a)
    places = a["ngram_indexes"]
    rows = values.to_numpy(x)
    batch = rows.reshape(-1, rows.shape[-1]) if rows.ndim else rows.reshape(1, 1)
    counts = torch.zeros(len(batch), max(places) + 1, dtype=torch.float32)
    for row, words in enumerate(batch.tolist()):
        for n in range(a["min_gram_length"], a["max_gram_length"] + 1):
            skips = range(1 if n == 1 else a["max_skip_count"] + 1)
            for stride in (skip + 1 for skip in skips):
                for at in range(len(words) - stride * (n - 1)):
                    gram = grams.get(tuple(words[at : at + stride * n : stride][:n]))
                    if gram is not None:
                        counts[row, places[gram]] += 1
    mode = a["mode"]
    if mode in ("IDF", "TFIDF") and "weights" in a:
        weights = torch.ones(counts.shape[1])
        for place, weight in zip(places, a["weights"], strict=True):
            weights[place] = weight
        counts = weights * (counts if mode == "TFIDF" else (counts > 0).to(torch.float32))
    elif mode == "IDF":
        counts = (counts > 0).to(torch.float32)
    return counts.reshape(*rows.shape[:-1], counts.shape[1])
