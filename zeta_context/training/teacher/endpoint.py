"""The teachers that can be asked: Anthropic's messages, OpenAI-compatible servers, programs.

Each turns a question into a request and a response into an answer with its billed tokens. The only
module of the training that imports httpx, when it is used. Keys come from the environment alone.
Knows nothing of prompts, caches or budgets.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zeta_context.errors import BadAnswer, RunnerBusy, RunnerError, RunnerGone, SettingsError
from zeta_context.prompt.format import Message
from zeta_context.runners.retry_after import parse_retry_after
from zeta_context.training.teacher.cache import Answer

if TYPE_CHECKING:
    import httpx

Api = Literal["anthropic", "openai", "command", "programmatic"]
ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_VERSION = "2023-06-01"
_BUSY = (429, 503, 529)


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """Who is asked and how. `endpoint` is a URL, or for `command` what is run for each question.

    Prices are for a million tokens; `key_env` names the variable that holds the key.
    """

    api: Api
    model: str = ""
    endpoint: str = ""
    key_env: str = ""
    temperature: float = 0.7
    max_output_tokens: int = 4_096
    price_in: float = 0.0
    price_out: float = 0.0
    timeout_s: float = 300.0

    def price(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost."""
        return (input_tokens * self.price_in + output_tokens * self.price_out) / 1e6

    def key_parts(self) -> dict[str, Any]:
        """What of the settings changes the answer."""
        return {
            "api": self.api,
            "model": self.model,
            "endpoint": self.endpoint if self.api == "command" else "",
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
        }


class Teacher(Protocol):
    """Answers questions, several at a time, in one event loop."""

    @property
    def settings(self) -> TeacherSettings: ...

    async def ask(self, messages: tuple[Message, ...], key: str) -> Answer:
        """The answer to the last turn; `key` tells servers that know how that a request is the
        same as an earlier one.

        Raises RunnerBusy with how long to wait, BadAnswer, and RunnerGone.
        """
        ...

    async def aclose(self) -> None: ...


def open_teacher(settings: TeacherSettings) -> Teacher:
    """The teacher of the settings; raises SettingsError when they name none."""
    match settings.api:
        case "command":
            if not settings.endpoint:
                raise SettingsError("a teacher that is a command needs the command")
            return CommandTeacher(settings)
        case "programmatic":
            return ProgramTeacher(settings)
        case "anthropic" | "openai":
            return HttpTeacher(settings)


class HttpTeacher:
    """A teacher behind HTTP, in Anthropic's or OpenAI's words."""

    def __init__(self, settings: TeacherSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    @property
    def settings(self) -> TeacherSettings:
        """Who is asked."""
        return self._settings

    async def ask(self, messages: tuple[Message, ...], key: str) -> Answer:
        """See `Teacher.ask`."""
        body = message_body(self._settings, messages)
        path = "/v1/messages" if self._settings.api == "anthropic" else "/chat/completions"
        response = await self.request("POST", path, body, {"idempotency-key": key})
        return read_message(self._settings, response)

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """One exchange of JSON with the server; raises what `ask` does."""
        import httpx

        content = None if body is None else json.dumps(body).encode()
        try:
            response = await self._connected().request(
                method, path, content=content, headers=dict(headers or {})
            )
            if response.status_code in _BUSY:
                wait = parse_retry_after(response.headers.get("retry-after", ""))
                raise RunnerBusy("the teacher is busy", retry_after_s=wait or 2.0)
            if response.status_code >= 400:
                raise _refused(response.status_code)
            lines = response.headers.get("content-type", "").startswith("application/x-jsonl")
            if lines:
                return [json.loads(line) for line in response.text.splitlines() if line]
            return response.json()
        except httpx.HTTPError as problem:
            raise RunnerGone(f"the teacher cannot be asked ({type(problem).__name__})") from None
        except ValueError:
            raise BadAnswer("the teacher answered with something that is no JSON") from None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            settings = self._settings
            url = settings.endpoint or (ANTHROPIC_URL if settings.api == "anthropic" else "")
            if not url:
                raise SettingsError(
                    "an OpenAI-compatible teacher needs an endpoint, such as a URL/v1"
                )
            self._client = httpx.AsyncClient(
                base_url=url.rstrip("/"),
                headers=self._headers(),
                timeout=httpx.Timeout(settings.timeout_s, connect=10.0),
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None),
            )
        return self._client

    def _headers(self) -> dict[str, str]:
        settings = self._settings
        headers = {"content-type": "application/json"}
        key = ""
        if settings.key_env:
            key = os.environ.get(settings.key_env, "")
            if not key:
                raise SettingsError(f"the variable {settings.key_env} holds no key")
        if settings.api == "anthropic":
            headers["anthropic-version"] = ANTHROPIC_VERSION
            if key:
                headers["x-api-key"] = key
        elif key:
            headers["authorization"] = f"Bearer {key}"
        return headers


class CommandTeacher:
    """A program that reads a question as JSON from its input and writes the answer's text."""

    def __init__(self, settings: TeacherSettings) -> None:
        self._settings = settings

    @property
    def settings(self) -> TeacherSettings:
        """What is run."""
        return self._settings

    async def ask(self, messages: tuple[Message, ...], key: str) -> Answer:
        """See `Teacher.ask`; tokens are estimated at four bytes each."""
        question = {
            "key": key,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self._settings.endpoint),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise RunnerGone(f"the teacher's command cannot be run: {error.strerror}") from None
        given = json.dumps(question).encode()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                out, _ = await process.communicate(given)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise BadAnswer("the teacher's command did not answer in time") from None
        if process.returncode != 0:
            raise BadAnswer(f"the teacher's command ended with status {process.returncode}")
        n_in, n_out = len(given) // 4, len(out) // 4
        return Answer(
            text=out.decode("utf-8", "replace"),
            input_tokens=n_in,
            output_tokens=n_out,
            cost=self._settings.price(n_in, n_out),
        )

    async def aclose(self) -> None:
        """Nothing stays open."""


class ProgramTeacher:
    """The teacher without a model or a network; see `programmatic`."""

    def __init__(self, settings: TeacherSettings) -> None:
        self._settings = settings

    @property
    def settings(self) -> TeacherSettings:
        """Who is asked."""
        return self._settings

    async def ask(self, messages: tuple[Message, ...], key: str) -> Answer:
        """See `Teacher.ask`; it costs nothing."""
        from zeta_context.training.teacher.programmatic import answer_state

        del key
        try:
            (question,) = messages
            text = await asyncio.to_thread(answer_state, question.content)
        except ValueError:
            raise SettingsError(
                "the programmatic teacher has no second opinion and repairs nothing: "
                "leave out --review and --repair"
            ) from None
        return Answer(text=text, input_tokens=0, output_tokens=0, cost=0.0)

    async def aclose(self) -> None:
        """Nothing stays open."""


def message_body(settings: TeacherSettings, messages: tuple[Message, ...]) -> dict[str, Any]:
    """The body of a request, which Anthropic and OpenAI-compatible servers read alike."""
    return {
        "model": settings.model,
        "max_tokens": settings.max_output_tokens,
        "temperature": settings.temperature,
        "messages": [{"role": one.role, "content": one.content} for one in messages],
    }


def read_message(settings: TeacherSettings, response: Any) -> Answer:
    """The answer in a response; raises BadAnswer when it is cut off or of another shape."""
    try:
        usage = response["usage"]
        if settings.api == "anthropic":
            text = "".join(part["text"] for part in response["content"] if part["type"] == "text")
            n_in = sum(
                int(usage.get(name) or 0)
                for name in (
                    "input_tokens",
                    "cache_creation_input_tokens",
                    "cache_read_input_tokens",
                )
            )
            n_out, is_cut = int(usage["output_tokens"]), response["stop_reason"] == "max_tokens"
        else:
            choice = response["choices"][0]
            text = choice["message"]["content"]
            n_in, n_out = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
            is_cut = choice.get("finish_reason") == "length"
        if not isinstance(text, str):
            raise TypeError
    except (KeyError, IndexError, TypeError, ValueError):
        raise BadAnswer("the teacher's response is not of the shape that its API has") from None
    if is_cut:
        raise BadAnswer("the teacher's answer was cut off: raise max_output_tokens")
    return Answer(
        text=text, input_tokens=n_in, output_tokens=n_out, cost=settings.price(n_in, n_out)
    )


def _refused(status: int) -> RunnerError | SettingsError:
    if status in (401, 403):
        return SettingsError(f"the teacher refuses the key (status {status})")
    if status >= 500:
        return RunnerGone(f"the teacher has a fault of its own (status {status})")
    return BadAnswer(f"the teacher does not take the request (status {status})")
