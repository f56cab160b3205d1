"""Trains a student: supervised fine-tuning with the loss on the response alone, or preferences.

TRL runs the steps, PEFT holds the adapters, accelerate spreads both over processes; this module
decides what they are given and what becomes of the result: a plain model directory that our own
runner loads and that converters to GGUF read. The only module of the training that imports torch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeta_context.errors import SettingsError
from zeta_context.prompt.registry import find_format
from zeta_context.runners.local.model_files import inspect_model
from zeta_context.runners.local.tokenizer import ModelTokenizer
from zeta_context.runners.local.torch_support import choose_threads
from zeta_context.runners.local.unpacking import unpack_gguf
from zeta_context.runners.trained import write_trained_format
from zeta_context.training.rows import Row
from zeta_context.training.student_config import StudentConfig

if TYPE_CHECKING:
    from datasets import Dataset

IGNORED = -100
"""The label of a token that no loss is taken of."""

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training: where the model is, what was used and left out, and the mean losses."""

    model: Path
    rows: int
    too_long: int
    steps: int
    first_loss: float
    last_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A row in tokens: `completion_mask` is 1 where the loss is taken."""

    input_ids: list[int]
    completion_mask: list[int]


def tokenize_row(
    row: Row, tokenizer: ModelTokenizer, end: int, config: StudentConfig
) -> TokenRow | None:
    """The tokens as a runner sees them: the prompt, then what the model is to write, then its end.

    None when it is too long: a row that is cut would teach to stop early, or nothing at all.
    """
    prompt = tokenizer.encode(row.prompt)
    (completion,) = tokenizer.encode_after(prompt, [row.completion])
    if not completion or completion[-1] != end:
        completion = [*completion, end]
    if len(prompt) > config.max_prompt_tokens or len(prompt) + len(completion) > config.max_tokens:
        return None
    return TokenRow(
        input_ids=[*prompt, *completion],
        completion_mask=[0] * len(prompt) + [1] * len(completion),
    )


def model_directory(path: Path, cache: Path | None = None) -> Path:
    """A directory with the weights of a model, those of a GGUF file unpacked."""
    files = inspect_model(path)
    return unpack_gguf(files, cache).directory if files.is_gguf else files.directory


def train_student(
    rows: Iterable[Row],
    base: Path,
    output: Path,
    config: StudentConfig,
    *,
    resume: bool = True,
) -> Trained:
    """Fine-tune the model in directory `base` on rows, and write it to `output`/model.

    Checkpoints lie in `output`/checkpoints; a run that was stopped goes on from the newest unless
    told not to. Raises SettingsError when no row is short enough.
    """
    from trl import SFTConfig

    tokenizer, end = _read_tokenizer(base)
    tokenized = [tokenize_row(row, tokenizer, end, config) for row in rows]
    kept = [row for row in tokenized if row is not None]
    if not kept:
        raise SettingsError("no row is short enough to train on: raise max_tokens, or cut prompts")
    arguments = SFTConfig(
        **_arguments(output, config),
        completion_only_loss=True,
        max_length=None,
        packing=False,
    )
    trainer = _response_trainer()(
        model=_load(base, config),
        args=arguments,
        train_dataset=_dataset([asdict(row) for row in kept]),
        processing_class=_library_tokenizer(base, end),
        peft_config=_adapters(config),
    )
    return _finish(
        trainer, base, output, config, used=len(kept), given=len(tokenized), resume=resume
    )


def train_preferences(
    rows: Iterable[Row],
    base: Path,
    output: Path,
    config: StudentConfig,
    *,
    resume: bool = True,
) -> Trained:
    """Tune a model by direct preference optimisation on rows with a rejected completion."""
    from trl import DPOConfig, DPOTrainer

    tokenizer, end = _read_tokenizer(base)
    pairs = [row for row in rows if row.rejected is not None and row.rejected != row.completion]
    kept = [
        row
        for row in pairs
        if tokenize_row(row, tokenizer, end, config)
        and tokenize_row(
            Row(name=row.name, prompt=row.prompt, completion=row.rejected or ""),
            tokenizer,
            end,
            config,
        )
    ]
    if not kept:
        raise SettingsError("no pair of a chosen and a rejected completion is short enough")
    arguments = DPOConfig(
        **_arguments(output, config), beta=config.preference_beta, max_length=config.max_tokens
    )
    trainer = DPOTrainer(
        model=_load(base, config),
        args=arguments,
        train_dataset=_dataset(
            [
                {"prompt": row.prompt, "chosen": row.completion, "rejected": row.rejected}
                for row in kept
            ]
        ),
        processing_class=_library_tokenizer(base, end),
        peft_config=_adapters(config),
    )
    return _finish(trainer, base, output, config, used=len(kept), given=len(pairs), resume=resume)


def _response_trainer() -> Any:
    """TRL's trainer with the loss computed where there is one.

    Prompts are most of a row, and the logits over a whole vocabulary most of the work for a small
    model: only those of the response are made. The sum is over the tokens of the whole step, so
    that accumulation weighs every token the same.
    """
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class ResponseTrainer(SFTTrainer):  # type: ignore[misc]
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            labels = inputs["labels"]
            first = int((labels != IGNORED).any(dim=0).nonzero()[0])
            kept = labels.shape[1] - first + 1
            outputs = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs.get("attention_mask"),
                logits_to_keep=kept,
                use_cache=False,
            )
            wanted = labels[:, first:]
            logits = outputs.logits[:, :-1].float()
            loss = cross_entropy(
                logits.reshape(-1, logits.shape[-1]),
                wanted.reshape(-1),
                ignore_index=IGNORED,
                reduction="sum",
            )
            loss = loss / (
                num_items_in_batch if num_items_in_batch is not None else (wanted != IGNORED).sum()
            )
            if num_items_in_batch is not None and self.args.average_tokens_across_devices:
                loss = loss * self.accelerator.num_processes
            return (loss, outputs) if return_outputs else loss

    return ResponseTrainer


def _arguments(output: Path, config: StudentConfig) -> dict[str, Any]:
    import torch

    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        torch.set_num_threads(choose_threads(getattr(torch, config.dtype)))
    return {
        "output_dir": str(output / "checkpoints"),
        "per_device_train_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulation,
        "activation_checkpointing": config.gradient_checkpointing,
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps,
        "warmup_steps": config.warmup_share,
        "lr_scheduler_type": "cosine",
        "logging_steps": 1,
        "save_steps": config.save_steps,
        "save_total_limit": 2,
        "seed": config.seed,
        "bf16": config.dtype == "bfloat16" and not on_cpu,
        "use_cpu": on_cpu,
        # One process alone has nobody to talk to, and a backend would make it look for others.
        "ddp_backend": "gloo" if on_cpu and int(os.environ.get("WORLD_SIZE", "1")) > 1 else None,
        "report_to": "none",
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
    }


def _load(base: Path, config: StudentConfig) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        base,
        dtype=getattr(torch, config.dtype) if config.method == "lora" else torch.float32,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )


def _adapters(config: StudentConfig) -> Any:
    if config.method == "full":
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules=list(config.lora_targets),
        task_type="CAUSAL_LM",
    )


def _read_tokenizer(base: Path) -> tuple[ModelTokenizer, int]:
    ends = inspect_model(base).end_token_ids
    if not ends:
        raise SettingsError(f"{base.name} names no end token: a student could not learn to stop")
    tokenizer = ModelTokenizer.from_directory(base)
    text_end = tokenizer.token_id("<|endoftext|>")
    return tokenizer, text_end if text_end in ends and text_end is not None else min(ends)


def _library_tokenizer(base: Path, end: int) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _dataset(rows: Sequence[dict[str, Any]]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list(list(rows))


def _finish(
    trainer: Any,
    base: Path,
    output: Path,
    config: StudentConfig,
    *,
    used: int,
    given: int,
    resume: bool,
) -> Trained:
    """Run the steps, from the newest checkpoint where there is one, and write the model."""
    checkpoints = list((output / "checkpoints").glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=True if resume and checkpoints else None)
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    target = output / "model"
    if trainer.accelerator.is_main_process or getattr(trainer, "is_fsdp_enabled", False):
        _export(trainer, base, target, config)
    trained = Trained(
        model=target,
        rows=used,
        too_long=given - used,
        steps=int(trainer.state.global_step),
        first_loss=float(losses[0]) if losses else float("nan"),
        last_loss=sum(losses[-5:]) / len(losses[-5:]) if losses else float("nan"),
    )
    if trainer.accelerator.is_main_process:
        record = {"config": asdict(config), "rows": used, "steps": trained.steps, "losses": losses}
        (output / "training.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    return trained


def _export(trainer: Any, base: Path, target: Path, config: StudentConfig) -> None:
    """Write the whole weights, adapters merged in, as safetensors beside the tokenizer's files.

    Sharded weights are gathered first; adapters among them are merged in a model that is whole.
    """
    import torch

    model = trainer.accelerator.unwrap_model(trainer.model)
    state = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    if not trainer.accelerator.is_main_process:
        return
    if hasattr(model, "merge_and_unload"):
        if state is not None:
            from peft import get_peft_model

            model = get_peft_model(_load(base, config), _adapters(config))
            model.load_state_dict(state)
            state = None
        model = model.merge_and_unload()
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if state is None:
        model = model.to(torch.bfloat16)
    model.save_pretrained(partial, state_dict=state, safe_serialization=True)
    for name in _TOKENIZER_FILES:
        if (base / name).is_file() and not (partial / name).exists():
            shutil.copyfile(base / name, partial / name)
    write_trained_format(partial, find_format(config.format).name)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
