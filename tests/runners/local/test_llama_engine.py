"""llama.cpp in our own loop: the same answers with drafts and reuse, and clear refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: run `make test-local`")
pytest.importorskip("xllamacpp", reason="llama.cpp is not installed: run `make test-local`")

from tests.bench.runner_weights import WeightsMissing, fetch_gguf
from zeta_context.errors import ContextOverflow, ModelRefused, SettingsError
from zeta_context.runners.base import Completion, CompletionRequest
from zeta_context.runners.local import llama_library
from zeta_context.runners.local.engine import PassInterrupted
from zeta_context.runners.local.llama_engine import LlamaEngine
from zeta_context.runners.local.loading import LoadedModel, LoadOptions, load_model
from zeta_context.runners.local.runner import LocalRunner, LocalSettings

PROMPT = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return"


@pytest.fixture(scope="module")
def gguf() -> Path:
    try:
        return fetch_gguf()
    except WeightsMissing as problem:
        pytest.skip(f"no weights: {problem}")


@pytest.fixture(scope="module")
def loaded(gguf: Path) -> Iterator[LoadedModel]:
    options = LoadOptions(
        engine="llama.cpp",
        max_context=1024,
        calibration_s=0.1,
        cache_directory=gguf.parent / "unpacked",
    )
    made = load_model(gguf, options)
    yield made
    made.engine.close()


@pytest.fixture
def runner(loaded: LoadedModel) -> LocalRunner:
    return LocalRunner(lambda: loaded, model="smol", settings=LocalSettings(with_logprobs=True))


def ask(runner: LocalRunner, prompt: str = PROMPT, guess: str = "") -> Completion:
    guesses = (guess,) if guess else ()
    answer = runner.complete(
        CompletionRequest(prompt=prompt, guesses=guesses, max_output_tokens=12)
    )
    assert isinstance(answer, Completion)
    return answer


def test_drafts_right_and_wrong_leave_the_answer_as_it_is(runner: LocalRunner) -> None:
    plain = ask(runner)
    assert plain.usage.passes > 4  # some of it may be drafted from the prompt
    right = ask(runner, guess=plain.text)
    assert (right.text, right.usage.passes) == (plain.text, 1)
    wrong = ask(runner, guess=plain.text.replace("b", "c") + "# and more")
    assert wrong.text == plain.text
    assert plain.mean_logprob is not None
    assert plain.mean_logprob < 0


def test_prompts_are_remembered_beside_each_other(runner: LocalRunner, loaded: LoadedModel) -> None:
    others = [f"# file {number}\nimport os\n\n\ndef main" for number in range(5)]
    alone = [ask(runner, one).text for one in others]
    again = ask(runner, others[-1])
    assert again.usage.cached_tokens == again.usage.prompt_tokens - 1
    assert [ask(runner, one).text for one in others] == alone
    assert loaded.engine.max_sequences == 3


def test_what_two_prompts_share_is_copied_not_read_again(runner: LocalRunner) -> None:
    shared = "\n".join(f"line_{number} = {number}" for number in range(30))
    ask(runner, shared + "\nfirst")
    ask(runner, "# in between, another file\n" * 4)
    second = ask(runner, shared + "\nsecond = ")
    assert second.usage.cached_tokens > 50


def test_its_end_tokens_and_window_are_those_of_the_file(loaded: LoadedModel) -> None:
    assert {loaded.tokenizer.token_id(name) for name in ("<|endoftext|>", "<|im_end|>")} <= (
        loaded.end_tokens
    )
    assert loaded.engine.context_window == 1024
    assert "llama.cpp" in loaded.engine.name
    with pytest.raises(ContextOverflow):
        loaded.engine.read(loaded.engine.new_sequence(), [5] * 1025)


def test_a_pass_that_nobody_wants_ends_and_leaves_no_trace(
    loaded: LoadedModel, runner: LocalRunner
) -> None:
    engine = loaded.engine
    assert engine.can_interrupt
    sequence = engine.new_sequence()
    engine.read(sequence, [5, 6, 7])
    engine.interrupt = lambda: True
    try:
        with pytest.raises(PassInterrupted):
            engine.read(sequence, list(range(100, 1000)))
    finally:
        engine.interrupt = None
    assert sequence.length == 3
    fresh = engine.new_sequence()
    engine.read(fresh, [5, 6, 7])
    assert engine.verify(sequence, [8], 0) == engine.verify(fresh, [8], 0)


def test_a_damaged_file_is_refused(gguf: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with gguf.open("rb") as file:
        cut.write_bytes(file.read(3_000_000))
    with pytest.raises(ModelRefused, match="damaged"):
        LlamaEngine(cut, context_window=512, threads=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "fast"}, r"'fast' is none of auto, flat, transformers, llama\.cpp"),
        ({"dtype": "float8"}, "'float8' is none of bfloat16, float16, float32"),
        ({"device": "tpu"}, "'tpu' cannot be used by torch here; there is .*cpu"),
        ({"short_passes": "int4"}, "'int4' is neither exact nor int8"),
    ],
)
def test_an_option_that_there_is_none_of_is_named(
    gguf: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        load_model(gguf, LoadOptions(**options))  # type: ignore[arg-type]


def test_a_library_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libllama.so"
    library.write_bytes(b"no library")
    monkeypatch.setenv(llama_library.LIBRARY_VARIABLE, str(library))
    monkeypatch.setattr(llama_library, "_loaded", [])
    with pytest.raises(ModelRefused, match="cannot be used"):
        llama_library.load_library()
