"""The LLM in training: frozen but for low-rank updates, with soft tokens in its input.

A question's text is packed as the run time packs it (`models/llm/token_tree`): the context once,
each token that candidates share once. Soft tokens stand before the last token of the context,
so that what predicts the candidates is always a word:

    <bos> context … [soft tokens] last word -> candidates
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from streamer.models.llm.gemma_graph import shortlist
from streamer.models.llm.transformers_folder import convert
from streamer.models.onnx.lora import DOWN, UP
from streamer.models.store.catalog import GEMMA
from streamer.models.store.zoo import Zoo
from streamer.models.train.fusion.modalities import SoftTokens

_CLOSED: Final = -1e9


def packaged_gemma(folder: Path) -> Path:
    """The installed LLM in transformers' format; converted into `folder` the first time, a minute.

    Raises:
        streamer.models.errors.ModelError: its packages are missing or corrupt.
    """
    if not (folder / "tokenizer.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        name = GEMMA.files[0].name
        with TemporaryDirectory(dir=folder) as scratch:
            Zoo().join(GEMMA.name, name, Path(scratch) / name)
            convert(Path(scratch) / name, folder)
    return folder


@dataclass(frozen=True)
class LoraConfig:
    rank: int = 8
    """0 leaves the LLM as it is."""
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.05
    parts: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    first_layer: int = 9
    """Text alone needs no gradients below; the lower half of the layers stays as it is."""


class LoraLinear(nn.Module):
    """A frozen linear layer and its update, which starts at nothing."""

    def __init__(self, inner: nn.Linear, config: LoraConfig) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.empty(config.rank, inner.in_features))
        self.up = nn.Parameter(torch.zeros(inner.out_features, config.rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = config.alpha / config.rank
        self._dropout = config.dropout

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.inner(x)
        low = functional.dropout(x, self._dropout, self.training) @ self.down.to(x.dtype).T
        return inner + (low @ self.up.to(x.dtype).T) * self.scale


@dataclass(frozen=True)
class Tree:
    """A question's tokens: `context`, then nodes with their parents (-1: the context's end); for
    each option the nodes before its scored tokens (-1 as above) and those tokens."""

    context: tuple[int, ...]
    nodes: tuple[int, ...]
    parents: tuple[int, ...]
    before: tuple[tuple[int, ...], ...]
    scored: tuple[tuple[int, ...], ...]


def tree_of(context: Sequence[int], rows: Sequence[Sequence[int]]) -> Tree:
    """Pack candidates behind a context; what all begin with is not scored."""
    shared = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    nodes: list[int] = []
    parents: list[int] = []
    known: dict[tuple[int, int], int] = {}
    before, scored = [], []
    for row in rows:
        path = [-1]
        for token in row[:-1]:
            at = (path[-1], token)
            if at not in known:
                known[at] = len(nodes)
                nodes.append(token)
                parents.append(path[-1])
            path.append(known[at])
        before.append(tuple(path[shared : len(row)]))
        scored.append(tuple(row[shared:]))
    return Tree(tuple(context), tuple(nodes), tuple(parents), tuple(before), tuple(scored))


class TunedGemma(nn.Module):
    """Gemma 3 that scores trees of candidates behind soft tokens. Raises what transformers raises
    for a folder that holds no model."""

    def __init__(
        self, folder: Path, config: LoraConfig, dtype: torch.dtype = torch.bfloat16
    ) -> None:
        super().__init__()
        whole: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False
        )
        whole.requires_grad_(False)
        self.body = whole.model
        self.bos = int(whole.config.bos_token_id)
        self.width = int(whole.config.hidden_size)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        table: Tensor = whole.model.embed_tokens.weight
        chosen = torch.from_numpy(shortlist(vocabulary, len(table)))
        self.register_buffer("_likely", table[chosen].clone(), persistent=False)
        self._lora: dict[str, LoraLinear] = {}
        if config.rank:
            self._add_lora(config)

    @property
    def embedded_rms(self) -> float:
        """Size of an embedded word, as the first layer sees it."""
        return float(self.get_buffer("_likely")[:4096].float().square().mean().sqrt()) * math.sqrt(
            self.width
        )

    def tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def embedded(self, tokens: Tensor) -> Tensor:
        """Embedded words as the first layer sees them. [B, N] -> [B, N, D]"""
        found: Tensor = self.body.embed_tokens(tokens)
        return found

    def forward(
        self, trees: Sequence[Tree], soft: SoftTokens | None, attention_bias: Tensor | None
    ) -> list[Tensor]:
        """Log-probability (nats) of each option of each tree.

        Args:
            soft: tokens for each tree, in the order of `trees`.
            attention_bias: a number added to the attention's scores on soft tokens (nats), so that
                training can begin with the LLM as it was.
        """
        length = max(len(tree.context) + len(tree.nodes) for tree in trees)
        n_soft = 0 if soft is None else soft.tokens.shape[1]
        ids = torch.zeros(len(trees), length, dtype=torch.long)
        positions = torch.zeros(len(trees), length + n_soft, dtype=torch.long)
        sees = torch.zeros(len(trees), length + n_soft, length + n_soft, dtype=torch.bool)
        for row, tree in enumerate(trees):
            heard = None if soft is None else soft.mask[row]
            _lay_out(tree, heard, length, ids[row], positions[row], sees[row])
        # A row that sees nothing is padding; it sees itself, or softmax would divide by zero.
        sees |= torch.eye(length + n_soft, dtype=torch.bool)
        mask = torch.where(sees, 0.0, _CLOSED)
        embedded = self.embedded(ids)
        if soft is not None and attention_bias is not None:
            embedded = torch.cat([embedded, soft.tokens.to(embedded.dtype)], dim=1)
            columns = functional.pad(attention_bias.expand(n_soft), (length, 0))
            rows = functional.pad(torch.ones(length), (0, n_soft))
            mask = mask + rows[:, None] * columns[None]
        mask = mask.to(embedded.dtype).unsqueeze(1)
        hidden = self.body(
            inputs_embeds=embedded,
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        return self._answers(trees, hidden)

    def lora_state(self) -> dict[str, Tensor]:
        """The updates as `streamer.models.onnx.lora` reads them."""
        found = {}
        for name, layer in self._lora.items():
            found[name + DOWN] = layer.down.detach().half().contiguous()
            found[name + UP] = (layer.up.detach() * layer.scale).half().contiguous()
        return found

    def _answers(self, trees: Sequence[Tree], hidden: Tensor) -> list[Tensor]:
        """Each place that predicts goes through the vocabulary once."""
        places: dict[tuple[int, int], int] = {}
        asked: list[tuple[int, int]] = []
        owners: list[int] = []
        n_options = 0
        for row, tree in enumerate(trees):
            for before, scored in zip(tree.before, tree.scored, strict=True):
                for node, token in zip(before, scored, strict=True):
                    place = (row, len(tree.context) + node)
                    asked.append((places.setdefault(place, len(places)), token))
                    owners.append(n_options)
                n_options += 1
        totals = hidden.new_zeros(n_options, dtype=torch.float32)
        if asked:
            rows, columns = (torch.tensor(index) for index in zip(*places, strict=True))
            states = hidden[rows, columns]
            normalizers = (states @ self.get_buffer("_likely").T).float().logsumexp(dim=1)
            at, tokens = (torch.tensor(index) for index in zip(*asked, strict=True))
            following = self.body.embed_tokens.weight[tokens]
            logits = (states[at] * following).float().sum(dim=1)
            totals = totals.index_add(0, torch.tensor(owners), logits - normalizers[at])
        return list(torch.split(totals, [len(tree.before) for tree in trees]))

    def _add_lora(self, config: LoraConfig) -> None:
        for name, module in list(self.body.named_modules()):
            pieces = name.split(".")
            if pieces[-1] not in config.parts or int(pieces[1]) < config.first_layer:
                continue
            tuned = LoraLinear(module, config)
            setattr(self.body.get_submodule(name.rpartition(".")[0]), pieces[-1], tuned)
            self._lora[f"model.{name}.weight"] = tuned


def _lay_out(
    tree: Tree, heard: Tensor | None, length: int, ids: Tensor, positions: Tensor, sees: Tensor
) -> None:
    """Fill one row: text from the left, soft tokens behind all text; who sees whom is in the mask,
    who stands where in the positions."""
    n = len(tree.context)
    ids[:n] = torch.tensor(tree.context)
    sees[:n, :n] = torch.ones(n, n, dtype=torch.bool).tril()
    positions[:n] = torch.arange(n)
    n_heard = 0
    if heard is not None and bool(heard.any()):
        n_heard = int(heard.sum())
        soft = slice(length, length + len(heard))
        sees[soft, : n - 1] = heard[:, None]
        sees[soft, soft] = (heard[:, None] & heard[None]).tril()
        positions[soft] = n - 1 + (heard.cumsum(0) - 1).clamp(min=0)
        sees[n - 1, soft] = heard
        positions[n - 1] += n_heard
    depths: list[int] = []
    for index, (token, parent) in enumerate(zip(tree.nodes, tree.parents, strict=True)):
        at = n + index
        above = n + parent if parent >= 0 else n - 1
        ids[at] = token
        sees[at] = sees[above]
        sees[at, at] = True
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
        positions[at] = n + n_heard + depths[-1]
