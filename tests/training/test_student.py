"""Students: what they are trained on, that they learn, resume and load. Skipped without torch."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.ingest.services import free_port
from zeta_context.counts import Counts
from zeta_context.errors import SettingsError
from zeta_context.evals.sessions import read_sessions
from zeta_context.prompt.registry import find_format
from zeta_context.text.edit import TextEdit, apply_edits
from zeta_context.text.point import Span
from zeta_context.training.example import Example, Target
from zeta_context.training.rows import Row, encode_row, make_row, make_rows
from zeta_context.training.select import find_leak
from zeta_context.training.sessions import find_states
from zeta_context.training.student_config import read_config, shipped_configs
from zeta_context.training.teacher.programmatic import teach

ROOT = Path(__file__).parents[2]
SESSIONS = ROOT / "fixtures" / "sessions"
HAS_TRAINING = all(
    importlib.util.find_spec(name) for name in ("torch", "transformers", "trl", "peft", "datasets")
)
needs_training = pytest.mark.skipif(
    not HAS_TRAINING, reason="the extra `train` is not installed: run `make test-train`"
)
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed: pip install ray[data]"
)


@cache
def all_taught() -> tuple[Example, ...]:
    examples = []
    for state in find_states(read_sessions(SESSIONS)[:12], every=9, max_tokens=100):
        edits = teach(state.prompt_input)
        if edits:
            target = Target(edits=edits, source="teacher")
            examples.append(replace(state, targets=(target,)))
    return tuple(examples)


def taught(count: int = 40) -> list[Example]:
    examples = all_taught()
    assert len(examples) >= count
    return list(examples[:count])


def test_starting_states_for_training_hold_nothing_that_was_written_afterwards() -> None:
    states = list(find_states(read_sessions(SESSIONS)[:4], every=15, max_tokens=200))
    assert states
    assert all(one.targets == () and one.purpose == "training" for one in states)
    settled = find_states(read_sessions(SESSIONS)[:4], every=15, max_tokens=200, with_settled=True)
    assert all(one.purpose == "evaluation" for one in settled)


@pytest.mark.parametrize("name", ["sweep-next-edit", "zeta2", "zeta1", "instinct"])
def test_a_row_comes_back_through_the_formats_own_parser(name: str) -> None:
    prompt_format = find_format(name)
    counts = Counts()
    rows = list(make_rows(taught(), name, max_tokens=900, counts=counts))
    assert len(rows) >= 20, counts.totals()
    by_name = {one.name: one for one in taught()}
    for row in rows:
        example = by_name[row.name]
        parsed = prompt_format.parse(row.completion, example.prompt_input, finish_reason="stop")
        text = example.prompt_input.cursor_excerpt
        assert apply_edits(text, parsed.edits) == example.text_after(example.targets[0])


def test_no_training_target_holds_a_sentinel_a_marker_or_a_region_tag() -> None:
    (example, *_) = taught(1)
    end = len(example.prompt_input.cursor_excerpt)
    for leak in ("NO_EDITS", "<|user_cursor|>", "<|marker_3|>", "<|editable_region_end|>"):
        edits = (TextEdit(Span(end, end), f"\n{leak}\n"),)
        poisoned = replace(example, targets=(Target(edits=edits, source="teacher"),))
        assert make_row(poisoned, find_format("sweep-next-edit"), 900) in ("leak", "outside_region")
    for row in make_rows(taught(), "sweep-next-edit", max_tokens=900):
        assert find_leak(row.completion, row.prompt) is None


def test_rows_are_written_as_trainers_read_them() -> None:
    row = Row(name="a", prompt="p", completion="c")
    assert json.loads(encode_row(row)) == {"name": "a", "prompt": "p", "completion": "c"}
    pair = replace(row, rejected="r")
    assert json.loads(encode_row(pair)) == {
        "name": "a",
        "prompt": "p",
        "chosen": "c",
        "rejected": "r",
    }


@needs_ray
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_rows_in_the_same_order() -> None:
    alone = list(make_rows(taught(), "sweep-next-edit", max_tokens=900))
    together = list(make_rows(taught(), "sweep-next-edit", max_tokens=900, engine="ray"))
    assert alone == together


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_without_ray_the_engine_says_what_to_install() -> None:
    with pytest.raises(SettingsError, match=r"\[scale\]"):
        list(make_rows(taught(1), "sweep-next-edit", engine="ray"))


def test_every_shipped_configuration_is_read_and_an_unknown_setting_refused(
    tmp_path: Path,
) -> None:
    assert set(shipped_configs()) >= {"smollm2-135m", "seed-coder-8b", "qwen2.5-coder-7b"}
    for name in shipped_configs():
        find_format(read_config(name).format)
    path = tmp_path / "mine.toml"
    path.write_text('model = "x"\nformat = "zeta2"\nlearning_speed = 3\n')
    with pytest.raises(SettingsError, match="learning_speed"):
        read_config(str(path))


def make_base(folder: Path) -> Path:
    """A tiny model of the Llama family with a tokenizer of its own, as a directory."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0, **{one: i for i, one in enumerate(letters, 1)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


ROWS = [
    Row(name=str(i), prompt=f"say {i % 3}: ", completion="yes" * (i % 3 + 1)) for i in range(48)
]


def config(**changes: object):  # type: ignore[no-untyped-def]
    defaults: dict[str, object] = {
        "learning_rate": 2e-2,
        "batch_size": 4,
        "accumulation": 1,
        "epochs": 2.0,
        "save_steps": 8,
        "dtype": "float32",
        "max_prompt_tokens": 64,
        "max_tokens": 96,
    }
    return read_config("smollm2-135m", defaults | changes)


@needs_training
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_student_learns_and_our_own_runner_loads_it(tmp_path: Path, method: str) -> None:
    from zeta_context.runners.base import Completion, CompletionRequest
    from zeta_context.runners.opening import choose_format, open_runner
    from zeta_context.runners.settings import ModelSettings
    from zeta_context.training.student import train_student

    base = make_base(tmp_path / "base")
    rate = 2e-2 if method == "lora" else 5e-3
    trained = train_student(ROWS, base, tmp_path / "out", config(method=method, learning_rate=rate))
    # Adapters alone, on random weights whose head stays as it is, can learn only so much.
    assert trained.last_loss < trained.first_loss * (0.95 if method == "lora" else 0.7)
    assert list(trained.model.glob("*.safetensors"))
    # Its tokenizer splits the format's markers: that it was trained on them is written down.
    settings = ModelSettings(path=str(trained.model))
    assert choose_format(settings).name == "sweep-next-edit"
    assert choose_format(replace(settings, format="zeta2")).name != "sweep-next-edit"
    runner = open_runner(settings)
    try:
        answer = runner.complete(CompletionRequest(prompt="say 1: ", max_output_tokens=12))
    finally:
        runner.close()
    assert isinstance(answer, Completion)
    assert answer.text


@needs_training
@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore")
def test_the_loss_is_of_the_response_alone_and_ends_with_the_end(tmp_path: Path) -> None:
    from zeta_context.training.student import _read_tokenizer, tokenize_row

    tokenizer, end = _read_tokenizer(make_base(tmp_path / "base"))
    row = tokenize_row(Row(name="a", prompt="abc", completion="de"), tokenizer, end, config())
    assert row is not None
    assert row.completion_mask == [0, 0, 0, 1, 1, 1]
    assert row.input_ids[-1] == end
    long = Row(name="a", prompt="a" * 65, completion="b")
    assert tokenize_row(long, tokenizer, end, config()) is None


@needs_training
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    from zeta_context.training.student import train_student

    base = make_base(tmp_path / "base")
    output = tmp_path / "out"
    train_student(ROWS, base, output, config(max_steps=8))
    assert (output / "checkpoints" / "checkpoint-8").is_dir()
    went_on = train_student(ROWS, base, output, config(max_steps=12))
    losses = json.loads((output / "training.json").read_text())["losses"]
    assert went_on.steps == 12
    assert len(losses) == 12, "the first eight are those of the first run"


@needs_training
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")
def test_preferences_move_the_student_towards_what_was_chosen(tmp_path: Path) -> None:
    from zeta_context.training.student import train_preferences

    base = make_base(tmp_path / "base")
    pairs = [replace(row, rejected="no") for row in ROWS]
    trained = train_preferences(pairs, base, tmp_path / "out", config(epochs=1.0))
    assert trained.last_loss < trained.first_loss
    with pytest.raises(SettingsError, match="no pair"):
        train_preferences(ROWS, base, tmp_path / "none", config())


LAUNCHED = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.training.test_student import ROWS, config
from zeta_context.training.student import train_student
settings = config(method="full", learning_rate=5e-3)
trained = train_student(ROWS, Path(sys.argv[2]), Path(sys.argv[3]), settings)
print("steps", trained.steps)
"""


@needs_training
@pytest.mark.timeout(400)
def test_two_processes_over_gloo_train_one_student(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    script = tmp_path / "launched.py"
    script.write_text(LAUNCHED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", "2", str(script), str(ROOT), str(base), str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("steps 12") == 2, done.stdout
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


SHARDED = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import accelerate.state
from accelerate.utils import DistributedType
begin = accelerate.state.PartialState.__init__
def begun(self, *args, **kwargs):
    # accelerate shards on accelerators alone, torch over gloo as well: call this machine one.
    begin(self, *args, **kwargs)
    if self.distributed_type is DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU
accelerate.state.PartialState.__init__ = begun
from tests.training.test_student import ROWS, config
from zeta_context.training.student import train_student
settings = config(method=sys.argv[4], learning_rate=5e-3)
trained = train_student(ROWS, Path(sys.argv[2]), Path(sys.argv[3]), settings)
kind = accelerate.Accelerator().distributed_type
print(kind.value, trained.steps, trained.last_loss < trained.first_loss)
"""


@needs_training
@pytest.mark.timeout(400)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_processes_hold_shards_of_one_student_with_the_shipped_configuration(
    tmp_path: Path, method: str
) -> None:
    base = make_base(tmp_path / "base")
    script = tmp_path / "sharded.py"
    script.write_text(SHARDED)
    configuration = ROOT / "zeta_context" / "training" / "configs" / "fsdp.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(configuration), "--num_processes", "2"]
    command += ["--mixed_precision", "no", "--main_process_port", str(free_port())]
    command += [str(script), str(ROOT), str(base), str(tmp_path / "out"), method]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("FSDP 12 True") == 2, done.stdout
    assert read_shapes(tmp_path / "out" / "model") == read_shapes(base)


def read_shapes(model: Path) -> dict[str, list[int]]:
    from safetensors import safe_open

    with safe_open(model / "model.safetensors", "pt") as weights:
        return {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
